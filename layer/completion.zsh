    # The word at the cursor may begin with a quote that is still open, or with
    # $SECRET. eval would fail at the quote and replace $SECRET, so it gets only
    # the words before. layer answers with addresses that contain no $.
    local typed=${lastParam#[\'\"]}
    typed=${typed#\\}
    out=$(eval "${words[1]} __complete ${words[2,-2]}"' "${typed}"' 2>/dev/null)
    if [[ ${typed} == \$* ]]; then
        PREFIX=${typed#\$SECRET.}
        [[ ${PREFIX} != \$* ]] || PREFIX=
    fi
