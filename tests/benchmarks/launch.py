"""Owns the launching of one process and the telling of what it took: `launch.py COMMAND…`.

Never imports more than it needs: Linux counts the memory of whoever starts a process as that
process's own, up to the moment it becomes another program.
"""

import json
import os
import sys

if __name__ == "__main__":
    command = sys.argv[1:]
    child = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, spent = os.wait4(child, 0)
    told = {
        "exit": os.waitstatus_to_exitcode(status),
        "cpu_s": spent.ru_utime + spent.ru_stime,
        "maxrss": spent.ru_maxrss,
    }
    sys.stdout.write(json.dumps(told))
