# launchd has no condition before a start and no order of jobs, so this runs while the agent may start already.
# A block unloads the agent, and disables it, so that it does not start at the next boot before this does. Only exit
# code 1 with the line of the guard blocks; in all other cases an agent that an earlier run blocked is enabled again.
seconds=$1; agent=$2; state=$3; blocked=$4; shift 4
said="$state/guard-said"; mark="$state/guard-blocked"
mkdir -p -m 700 "$state"
# An old answer must not count for a command that did not run.
if rm -f "$said" && true >"$said"; then
    "$@" >"$said" & pid=$!
    (sleep "$seconds"; kill -TERM "$pid"; sleep 5; kill -KILL "$pid") >/dev/null 2>&1 & timer=$!
    wait "$pid"; code=$?
    kill "$timer" 2>/dev/null
    cat "$said"
else
    code=126
fi
if [ "$code" = 1 ] && grep -qF -e "$blocked" "$said"; then
    # Without the mark nothing would enable it again.
    true >"$mark" && launchctl disable "system/$agent"
    # Not `launchctl stop` or kill: KeepAlive of the agent starts it again after these.
    launchctl bootout "system/$agent"
    exit 0
fi
[ "$code" = 0 ] || echo "fingerprint: the check failed (exit status $code): the agent starts without it" >&2
if [ -e "$mark" ]; then
    launchctl enable "system/$agent" && rm -f "$mark"
    launchctl bootstrap system "/Library/LaunchDaemons/$agent.plist"
fi
# No KeepAlive, and no exit code that could start this again.
exit 0
