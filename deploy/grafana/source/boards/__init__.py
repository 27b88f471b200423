"""The dashboards, one file each: a function `board` that puts it together."""
