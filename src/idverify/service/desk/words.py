"""The desk's own words, in English: what people who review read. What persons read is in ``pages/words``.

Public items: :data:`STATES`, :data:`ROUTES`, :data:`VIEWS`, :data:`VERDICTS`, :data:`CODES`, :data:`PROOFS`,
:data:`OUTCOMES`, :data:`FAILURES`, :data:`MACHINE`, :data:`EVIDENCE`, :data:`LANGUAGE_NAMES`, :data:`PROBLEMS`,
:func:`moment`, :func:`span`.
"""

from __future__ import annotations

from datetime import datetime, timezone

__all__ = [
    "CODES",
    "EVIDENCE",
    "FAILURES",
    "LANGUAGE_NAMES",
    "MACHINE",
    "OUTCOMES",
    "PROBLEMS",
    "PROOFS",
    "ROUTES",
    "STATES",
    "VERDICTS",
    "VIEWS",
    "moment",
    "span",
]

STATES = {
    "open": "The person may record",
    "delayed": "The person has to wait",
    "vouching": "An adult is to vouch",
    "attended": "Meeting to be held",
    "review": "To be reviewed",
    "second_review": "Second opinion needed",
    "question": "The person was asked",
    "refused": "Refused",
    "appeal": "Appeal",
    "confirmed": "Refusal confirmed",
    "accepted": "Accepted",
    "frozen": "Frozen: “that was not me”",
    "recovered": "Account given back",
    "withdrawn": "Withdrawn",
}
ROUTES = {
    "standard": "Standard",
    "no_gesture": "Without movements",
    "photosensitive": "Without colours",
    "minor": "Minor",
    "no_face": "Without the face",
    "attended": "With a reviewer present",
}
VIEWS = {
    "same_person": "A live person, the one in the photo",
    "other_person": "A live person, but not the one in the photo",
    "not_live": "Not a live person: a picture, a screen, a mask, or an altered film",
    "cannot_tell": "I cannot tell",
    "none": "No view was noted",
}
VERDICTS = {
    "accept": "Accept",
    "propose": "Accept, if a second person agrees",
    "reject": "Refuse",
    "ask_recording": "Ask for another recording",
    "question": "Ask the person a question",
    "hand_on": "Hand on",
    "release": "Let it go on",
    "met": "Meeting held",
}
CODES = {
    "same_person": "The same, live person",
    "other_proofs": "Other proofs are enough",
    "vouched": "Somebody vouched",
    "met": "Met in person",
    "other_person": "Another person",
    "not_live": "Not a live person",
    "proofs_missing": "Proofs are missing",
    "disputed": "The owner disputes it",
    "no_answer": "No answer came",
    "too_dark": "Too dark or too bright",
    "face_hidden": "The face is partly hidden",
    "too_short": "Too little can be seen",
    "disturbed": "Somebody or something disturbed it",
    "other_device": "The camera is not good enough",
    "needs_senior": "A senior has to decide",
    "knows_person": "I know this person",
    "other_language": "I do not read the language",
    "no_time": "I cannot finish it",
    "owner_confirmed": "The owner says it was them after all",
    "by_mistake": "It was frozen by mistake",
    "present": "The person was there",
    "absent": "The person did not come",
    "circumstances": "About what happened",
    "proofs": "About other proofs",
}
PROOFS = {
    "document": "An official document with a photo, whose name fits the account",
    "called_back": "Called back on a number that was on file before",
    "known_device": "A device, e-mail address or number that the account had before",
    "history": "What only the owner knows of the account: since when, what for, the last payments",
    "referee": "Somebody whom the service trusts knows the person",
}
OUTCOMES = {"accept": "Accepted", "reject": "Rejected", "inconclusive": "Could not be told"}
FAILURES = {
    "judge_failed": "The judge failed",
    "recording_incomplete": "The recording did not arrive whole",
    "recording_late": "A step reached the browser too late",
    "recording_unreadable": "The recording cannot be read",
    "session_moved": "The person went on with another device",
}
MACHINE = {
    "rejected": "The machine rejected",
    "accepted": "The machine accepted",
    "inconclusive": "The machine could not tell",
    "none": "The machine judged nothing",
}
EVIDENCE = {
    "kept": "kept",
    "partly": "partly deleted",
    "deleted": "deleted",
    "none": "nothing was recorded",
}
LANGUAGE_NAMES = {
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "pt": "Portuguese",
    "ar": "Arabic",
    "hi": "Hindi",
    "zh": "Chinese",
}
#: What a refusal means to whoever sits at the desk; the problem's title where it is not here.
PROBLEMS = {
    "not_allowed": "Your role does not include this. Whoever runs the service can change that.",
    "case_claimed": "Somebody else has taken this case. It comes back to the queue when they are done, or when their "
    "time is up.",
    "not_claimed": "You do not have this case, or your time with it is up. Take it again to go on.",
    "case_wrong_state": "The case has gone on in the meantime, and this cannot be done any more.",
    "second_person": "You decided about this case before. What is needed now is another person’s judgement.",
    "look_first": "Play the newest recording first, then note what you saw.",
    "view_missing": "Note your own view first.",
    "not_found": "There is nothing under this address, or it was deleted.",
    "origin_refused": "The form came from another site, or from before you signed in. Go back, load the page again and "
    "send it once more.",
    "provider_trouble": "Your organisation’s sign-in did not answer as it should. Try again in a moment, or sign in "
    "with a password.",
    "too_many_requests": "Too many tries. Wait a minute, then try again.",
    "not_ready": "The service cannot do this just now. Nothing was lost; try again in a moment.",
}


def moment(time_s: float) -> str:
    """A moment to the minute, in UTC.

    Examples
    --------
    >>> moment(0.0)
    '1970-01-01 00:00 UTC'
    """
    return datetime.fromtimestamp(time_s, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def span(seconds: float) -> str:
    """A length of time in the largest unit of which there is more than one, rounded down.

    Examples
    --------
    >>> span(59), span(7300), span(2 * 86400)
    ('less than a minute', '2 hours', '2 days')
    """
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {name}"
    return "a minute" if seconds >= 60 else "less than a minute"
