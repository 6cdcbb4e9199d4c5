"""When and how much: time to return, best hour, answers by channel, expected value."""
