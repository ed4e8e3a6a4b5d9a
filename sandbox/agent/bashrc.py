"""What the learner's bash reads first: marks for the agent (marks.py), prompt, completion; then their own ~/.bashrc."""

from __future__ import annotations

PATH_IN_SHELL = "/run/shell.bashrc"
NONCE_VARIABLE = "QUAYSIDE_MARK"

TEXT = r"""# Read by the terminals of this sandbox before ~/.bashrc.
[ -z "$PS1" ] && return
stty -ixon iutf8 2>/dev/null
PS1='$ '
HISTCONTROL=
HISTSIZE=5000
HISTFILESIZE=5000
shopt -s checkwinsize histappend

# The page learns what runs and how it ended from marks in the output; they are taken out before they reach it.
__mark=$QUAYSIDE_MARK
unset QUAYSIDE_MARK
__mark_finished() {
    local status=$?
    printf '\e]133;D;%s;%s\a' "$__mark" "$status"
    [[ $PS1 == *"$__mark"* ]] || PS1+="\\[\\e]133;B;$__mark\\a\\]"
    return "$status"
}
__mark_command() {
    local LC_ALL=C line
    line=$(HISTTIMEFORMAT='' builtin history 1)
    [[ $line =~ ^[[:space:]]*[0-9]+[*[:space:]]\ (.*)$ ]] && line=${BASH_REMATCH[1]}
    line=${line//[[:cntrl:]]/ }
    printf '\e]133;C;%s;%s\a' "$__mark" "${line:0:4000}"
}
if [[ -n $__mark ]]; then
    PS0='$(__mark_command)'
    PROMPT_COMMAND[1000]=__mark_finished # not 0: `PROMPT_COMMAND=…` replaces that one
fi

alias ls='ls --color=auto' grep='grep --color=auto' k=kubectl
export EDITOR=${EDITOR:-nano} KUBE_EDITOR=${KUBE_EDITOR:-nano}

# Completion is loaded by the first Tab: at start it would cost more than all the rest.
__load_completion() {
    [[ -v BASH_COMPLETION_VERSINFO ]] || source /usr/share/bash-completion/bash_completion 2>/dev/null
}
__first_tab() {
    complete -r -D
    __load_completion
    return 124
}
complete -D -F __first_tab
__first_tab_kubectl() {
    __load_completion
    complete -r k kubectl
    _completion_loader kubectl 2>/dev/null
    declare -F __start_kubectl >/dev/null || source <(kubectl completion bash 2>/dev/null)
    complete -o default -F __start_kubectl k
    return 124
}
complete -F __first_tab_kubectl kubectl k

[ ! -r ~/.bashrc ] || source ~/.bashrc
"""
