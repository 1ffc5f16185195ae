#!/bin/sh
# Rotates the secrets that are due, and pushes the ledger to the branch $BRANCH.
ledger=layer.secrets.age
branch=${BRANCH:-main}

say() { echo "rotate.sh: $*" >&2; }

# bring_home commits the ledger, rebases onto the pushed branch, and pushes.
bring_home() {
  git diff --quiet HEAD -- "$ledger" || git commit -q -m "Rotate" -- "$ledger" || return 1
  for attempt in 1 2 3; do
    git fetch -q origin "refs/heads/$branch" || return 1
    others=$(git diff --name-only FETCH_HEAD...HEAD -- :/ ":(exclude)$ledger") || return 1
    [ -z "$others" ] || { say "this clone has commits that are not in $branch and change more than the ledger"; return 1; }
    git rebase -q --autostash FETCH_HEAD || { git rebase --abort; return 1; }
    git push -q origin "HEAD:refs/heads/$branch" && return 0
  done
  return 1
}

# Checks that the ledger can be committed and pushed, before anything is rotated.
git var GIT_AUTHOR_IDENT >/dev/null && git var GIT_COMMITTER_IDENT >/dev/null ||
  { say "git has no author to commit as: nothing was rotated"; exit 1; }
git ls-files --error-unmatch -- "$ledger" >/dev/null ||
  { say "$ledger is not in git: nothing was rotated"; exit 1; }
bring_home || { say "the ledger could not be pushed to $branch: nothing was rotated"; exit 1; }

trap : HUP INT TERM # a signal ends the rotation, and the ledger is still pushed
status=0
layer secret rotate || status=$?
bring_home && exit $status

rescue=layer-rescue-$(date -u +%Y%m%dT%H%M%SZ)
git add -- "$ledger" && tree=$(git write-tree) && commit=$(git commit-tree -p HEAD -m "Rotate" "$tree") &&
  git push -q origin "$commit:refs/heads/$rescue" &&
  say "the new ledger is in the branch $rescue, not in $branch: bring it there before the next rotation" ||
  say "the new ledger is in this clone alone: keep $PWD/$ledger, and push it to $branch before the next rotation"
exit 1
