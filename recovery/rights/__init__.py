"""What people may ask for: access, erasure, restriction, and that two records be one."""
