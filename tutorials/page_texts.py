"""The words that scripts say. They are written into the page once, so that no script holds a language."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

PAGE_TEXTS: dict[str, str | Promise] = {
    # Starting, failing, ending
    "start": _("Start"),
    "start-title": _("A terminal of your own"),
    "start-body": _(
        "Press Start and you get a computer of your own with a small Kubernetes in it. "
        "Whatever you do there, you cannot break anything."
    ),
    "start-at": _("Start at step {number}"),
    "start-at-body": _("The steps before it are done for you: you begin with what they leave behind."),
    "starting-title": _("Getting your sandbox ready"),
    "starting-seconds": _("{seconds} seconds so far"),
    "stage-sandbox": _("Start the sandbox"),
    "stage-files": _("Put the lesson’s files in place"),
    "stage-cluster": _("Start the cluster"),
    "stage-setup": _("Prepare the lesson"),
    "stage-solution": _("Catch up on step “{step}”"),
    "ready": _("The terminal is ready."),
    "failed-title": _("That did not work"),
    "ended-title": _("The sandbox has ended"),
    "left-title": _("You have left this lesson"),
    "left-body": _("This browser is no longer signed in. Reload the page to begin anew."),
    "reload": _("Reload the page"),
    "try-again": _("Try again"),
    "start-again": _("Start again"),
    "start-first": _("Press Start first: the command needs a terminal."),
    "other-title": _("Another lesson is still running"),
    "other-body": _("You have one sandbox at a time. “{title}” is using it now."),
    "other-go": _("Go to that lesson"),
    "other-replace": _("End it and start here"),
    "site-unreachable": _("The site cannot be reached. Check your connection."),
    "request-failed": _("The site answered with an error ({status})."),
    # Terminals
    "terminal-label": _("Terminal {name}. Ctrl+F6 leaves it."),
    "terminal-tab": _("Terminal {name}"),
    "terminal-waiting": _("Connection lost. Reconnecting …"),
    "terminal-unreachable": _("No connection to the terminal yet. Trying on …"),
    "terminal-ended": _("This terminal has been closed."),
    "terminal-closed": _("This terminal is no longer connected."),
    "connection-waiting": _("Reconnecting …"),
    "connection-unreachable": _("Live connection blocked; asking every few seconds instead"),
    "shell-ended": _("[The shell has ended with status {status}. A new one begins.]"),
    "open-link": _("Open this address in a new tab?\n\n{address}"),
    "paste": _("Paste"),
    "paste-title": _("Paste several lines?"),
    "paste-body": _("Each line would run at once, before you can read it in the terminal."),
    "copied": _("Copied"),
    "copy-failed": _("Press Ctrl+C"),
    "running-here": _("“{command}” is still running in terminal {name}."),
    "stop-and-run": _("Stop it and run"),
    "run-in-new-tab": _("Run in a new tab"),
    "still-running": _("The command before has not ended. Press Ctrl+C in the terminal first."),
    # Steps
    "step-passed": _("Step done: {title}"),
    "step-passed-label": _("(done)"),
    "task-done": _("(done)"),
    "task-open": _("(open)"),
    "check-passed": _("All done."),
    "check-missing": _("Something is still missing: see the list of tasks."),
    # Warnings
    "warning-idle": _("Nothing has happened here for a while. The sandbox ends in {time}."),
    "warning-deadline": _("The time is nearly up. The sandbox ends in {time}."),
    # Menus and questions
    "cancel": _("Cancel"),
    "close": _("Close"),
    "reset": _("Reset"),
    "reset-title": _("Begin this step with a fresh sandbox?"),
    "reset-body": _(
        "Everything in the present sandbox is lost; the steps before this one are done for you. "
        "The steps you have passed stay passed."
    ),
    "end": _("End the sandbox"),
    "end-title": _("End the sandbox?"),
    "end-body": _("Everything in it is lost. The steps you have passed stay passed."),
    "keys-title": _("Keys"),
    "keys-body": _(
        "F6: between text and terminal. Ctrl+F6: out of the terminal. Ctrl+C: copies what is selected, else interrupts."
        " Ctrl+V: pastes. Ctrl+Shift+F: finds in the terminal. Arrow keys on the bar: its position."
    ),
    # The picture
    "cluster-absent": _("No cluster yet: minikube start makes one, and it appears here."),
    "cluster-starting": _("The cluster is starting …"),
    "cluster-stopped": _("The cluster is stopped: minikube start starts it again."),
    "cluster-running": _("The cluster is running."),
    "control-plane": _("Control plane"),
    "not-scheduled": _("not on a node yet"),
    "picture-summary": _("Your cluster: nodes {nodes}, pods {pods}, services {services}"),
}
