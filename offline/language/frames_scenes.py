"""Scene frames: what happened, what else held at the time, and words that say nothing.

One frame a line. `[a|b]` is a choice, `{topic} {n} {unit} {exc} {who}` are slots. Frames avoid any
verb of the topic's own, so that they fit every topic, singular or plural.
"""

SCENES: dict[str, dict[str, str]] = {
    "deadline": {
        "training": """
{n} {unit} had passed before the {topic} had been dealt with
{who} took {n} {unit} over the {topic}
the {topic} came after {n} {unit}
it took {n} {unit} until the {topic} had been settled
the {topic} arrived {n} {unit} later
{who} [needed|used] {n} {unit} for the {topic}
with the {topic}, {n} {unit} went by
{who} waited {n} {unit} with the {topic}
after {n} {unit} {who} [finally|at last] saw to the {topic}
the {topic} was {n} {unit} in coming
{n} {unit} [elapsed|ran by] before {who} turned to the {topic}
{who} let {n} {unit} go by before the {topic} had been done
the [clock|calendar] showed {n} {unit} when the {topic} had been completed
from the event to the {topic} it was {n} {unit}
{who} got round to the {topic} in {n} {unit}
the {topic} took {who} {n} {unit}
there were {n} {unit} between the event and the {topic}
""",
        "exam": """
{who} dealt with the {topic} after {n} {unit}
the {topic} had been handled {n} {unit} [on|afterwards]
{n} {unit} had gone by when the {topic} had been finished
{who} spent {n} {unit} on the {topic}
the time taken for the {topic} was {n} {unit}
the {topic} reached us {n} {unit} after the event
the wait for the {topic} was {n} {unit}
{who} was done with the {topic} {n} {unit} later
it was {n} {unit} before anyone had seen to the {topic}
{who} attended to the {topic} only after {n} {unit}
the {topic} had been put off for {n} {unit}
""",
        "novel": """
all in all {who} required {n} {unit} to complete the {topic}
by the time the {topic} was out of the way, {n} {unit} were gone
the delay with the {topic} amounted to {n} {unit}
{who} sorted out the {topic}, but that was {n} {unit} after it began
""",
    },
    "quantity": {
        "training": """
the count for the {topic} came to {n} {unit}
the {topic} [came to|stood at] {n} {unit}
{who} measured {n} {unit} for the {topic}
with the {topic}, {who} found {n} {unit}
there were {n} {unit} [in the matter of|in] the {topic}
the {topic} showed {n} {unit}
the figure for the {topic} was {n} {unit}
{who} wrote down {n} {unit} for the {topic}
for the {topic} {who} has {n} {unit}
{n} {unit} had been recorded for the {topic}
the reading for the {topic} [gave|was] {n} {unit}
the {topic} ran to {n} {unit}
{who} reports {n} {unit} for the {topic}
the [record|notebook] says {n} {unit} for the {topic}
{who} set the {topic} at {n} {unit}
as to the {topic}, it was {n} {unit}
the {topic} added up to {n} {unit}
""",
        "exam": """
{who} noted {n} {unit} for the {topic}
the {topic} measured {n} {unit}
a check of the {topic} gave {n} {unit}
the {topic} had been kept at {n} {unit}
{who} counted {n} {unit} with the {topic}
in the case of the {topic} it came to {n} {unit}
the total for the {topic} was {n} {unit}
{n} {unit} is what {who} found for the {topic}
the {topic} had {n} {unit}
the list gives {n} {unit} for the {topic}
an inspection of the {topic} found {n} {unit}
""",
        "novel": """
the {topic} turned out to be {n} {unit}
according to {who}, the {topic} amounted to {n} {unit}
we are looking at {n} {unit} as far as the {topic} goes
the value for the {topic}, {who} says, is {n} {unit}
""",
    },
    "act": {
        "training": """
a case of {topic} was noticed
{who} was seen with the {topic}
there had been {topic}
{who} went ahead with the {topic}
the {topic} took place
{who} [had to do with|was involved in] {topic}
it came to {topic}
{who} [chose|tried|went in for] {topic}
an instance of {topic} had been reported
{who} is known for the {topic}
somebody saw {topic} by {who}
{who} has been found with {topic}
the {topic} went on for a while
yesterday there was a case of {topic}
{who} admits to the {topic}
{topic} had been observed
{who} did it: {topic}
""",
        "exam": """
{who} was involved with the {topic}
{topic} had been noticed
a visitor saw the {topic}
{who} carried on with the {topic}
there was an instance of {topic}
{who} took part in {topic}
{topic} happened [this morning|last night|today]
the report speaks of {topic}
{who} was caught at the {topic}
one case of {topic} came to light
{who} did not hold back from {topic}
""",
        "novel": """
{who} engaged in {topic}
the matter at hand is {topic} by {who}
a witness came across {topic}
{who} made use of the {topic}
""",
    },
}

# What else held at the time; joined to a scene as its own sentence or clause.
HELD: dict[str, str] = {
    "training": """
at the time {exc}
it is known that {exc}
all the while {exc}
on that day {exc}
[note|mind] that {exc}
it is [also|further] true that {exc}
as it happens, {exc}
the file says that {exc}
nobody doubts that {exc}
it was at a time when {exc}
{who} [can show|proves] that {exc}
this was while {exc}
it is certain that {exc}
the case is one in which {exc}
just then {exc}
what is more, {exc}
""",
    "exam": """
at that moment {exc}
{who} points out that {exc}
[we know|one knows] that {exc}
in this case {exc}
it should be said that {exc}
it so happens that {exc}
meanwhile {exc}
the [notes|papers] add that {exc}
it is [agreed|settled] that {exc}
during all this {exc}
{who} confirms that {exc}
""",
    "novel": """
take it as given that {exc}
{who} swears that {exc}
bear in mind that {exc}
there is no question that {exc}
""",
}

WHO = """
Anna|Boris|Clara|David|Elsa|Felix|Greta|Hugo|Irene|Jonas|Karin|Leo|Marta|Nils|Olga|Peter|Rosa
|Simon|Tessa|Viktor|Wanda|Yusuf|Zoe|the owner|the keeper|the clerk|the manager|a guest|a visitor
|a member|the holder|the person in charge|a neighbour|the tenant|someone|a worker|the team
|a newcomer|the user|our colleague|a driver|the caretaker|an assistant|the family|Mr Orban|Ms Tillo
"""

# Scene and request in one sentence.
DIRECT: dict[str, dict[str, str]] = {
    "deadline": {
        "training": """
[Is|Would] {n} {unit} [be |]too long for the {topic}?
Can the {topic} be left for {n} {unit}?
Is the {topic} late after {n} {unit}?
Is it a breach if the {topic} takes {n} {unit}?
May {who} take {n} {unit} over the {topic}?
""",
        "exam": """
Does it break a rule if the {topic} takes {n} {unit}?
Are {n} {unit} in time for the {topic}?
If {who} needs {n} {unit} for the {topic}, is that a breach?
""",
        "novel": """
Would the {topic} still be on time after {n} {unit}?
""",
    },
    "quantity": {
        "training": """
[Is|Would] {n} {unit} [be |]all right for the {topic}?
Can the {topic} be {n} {unit}?
Is it a breach if the {topic} comes to {n} {unit}?
May {who} have {n} {unit} for the {topic}?
Do {n} {unit} break the rule on the {topic}?
""",
        "exam": """
Does it break a rule if the {topic} is {n} {unit}?
Are {n} {unit} in order for the {topic}?
If {who} has {n} {unit} for the {topic}, is that a breach?
""",
        "novel": """
Would {n} {unit} be acceptable for the {topic}?
""",
    },
    "act": {
        "training": """
Is {topic} a breach?
Is it a breach if there is {topic}?
May {who} go ahead with the {topic}?
Does {topic} break a rule?
""",
        "exam": """
Would {topic} be a breach?
If {who} turns to {topic}, is that a breach?
""",
        "novel": """
Can anyone object to {topic}?
""",
    },
}

# Said before a question; they carry no content, so that the nano learns to look past such words.
OPENERS = """
A question.
Please [help|advise].
Quick question:
[Hello|Good morning|Good day],
I have a question about the code.
Tell me:
One more thing.
Here is a case.
Consider this.
For my notes:
Next.
Can you help me?
We were wondering.
Let us see.
"""

# Said between scene and request, with as little content.
ASIDES = """
{who} was there.
It was a [quiet|busy|long|cold|warm] [day|morning|evening].
Nobody else was about.
{who} asked about it [later|afterwards].
This is all we know.
The rest is of no matter.
It had not happened before.
{who} [took a note|made a call|was told].
"""
