
# The functions below replace two of those above.

# The words of the line, joined where bash splits them at : and =. The package
# bash-completion has a function for that, and is not everywhere.
__layer_init_completion()
{
    COMPREPLY=()
    if declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    local i word rest=${COMP_LINE:0:COMP_POINT}
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if [[ ${#words[@]} -eq 0 || ${rest} == [[:space:]]* ]]; then
            words+=("")
            rest=${rest#"${rest%%[![:space:]]*}"}
        fi
        word=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || word=${rest} # up to the cursor
        words[${#words[@]}-1]+=${word}
        rest=${rest#"${word}"}
    done
    cword=$((${#words[@]} - 1))
    cur=${words[cword]}
    prev=${words[cword > 0 ? cword - 1 : 0]}
}

# The word at the cursor may begin with a quote that is still open, or with
# $SECRET. eval would fail at the quote and replace $SECRET, so it gets only the
# words before. layer answers with addresses that contain no $.
__layer_get_completion_results()
{
    local typed=${cur#[\'\"]}
    typed=${typed#\\}
    out=$(eval "${words[0]} __complete ${words[*]:1:cword-1}"' "${typed}"' 2>/dev/null)
    directive=${out##*:}
    out=${out%:*}
    [[ ${directive} =~ ^[0-9]+$ ]] || directive=0
    cur=${typed#\$SECRET.}
    [[ ${cur} != \$* ]] || cur=
    [[ ${cur} != -*=* ]] || cur=${cur#*=}
}
