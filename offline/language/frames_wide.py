"""Further forms, met late in pre-training, and in training questions: the more forms, the less
a new one costs.

Keys are those of the blocks in `frames_scenes.py` and `frames_asks.py`. In these questions words
are also dropped, exchanged and put in (`wording.py`), so that the nano finds what is asked about by
what the passage names and not by its place in a form it knows.
"""

WIDE: dict[str, str] = {
    "deadline": """
{who} left the {topic} until {n} {unit} were over
it was not until {n} {unit} later that {who} turned to the {topic}
for {n} {unit} nothing came of the {topic}
counting from the start, the {topic} needed {n} {unit}
{who} put {n} {unit} into the {topic}
only when {n} {unit} were up did {who} think of the {topic}
the {topic} dragged on for {n} {unit}
{who}, who had been away, made good the {topic} {n} {unit} after it fell due
{n} {unit} on, the {topic} was ready
nobody had touched the {topic} for {n} {unit}
the {topic} is done, {n} {unit} after the event
{who} has had the {topic} lying about for {n} {unit}
""",
    "quantity": """
someone read off {n} {unit} at the {topic}
{who} put the {topic} at {n} {unit}
the {topic} as found: {n} {unit}
{who} went and checked the {topic}, which made {n} {unit}
on that occasion the {topic} reached {n} {unit}
{n} {unit}, says {who} of the {topic}
it was {n} {unit} that {who} saw by the {topic}
the {topic} of {who} has {n} {unit}
the {topic} there is {n} {unit}, no more and no less
between them they made it {n} {unit} for the {topic}
{who} works with {n} {unit} as the {topic}
the {topic} now holds at {n} {unit}
""",
    "act": """
we heard of {topic} from {who}
{who} would not give up the {topic}
there were signs of {topic}
{who} thought nothing of {topic}
last week {who} began with the {topic}
in spite of everything there was {topic}
{who} and a friend were busy with {topic}
the neighbours complain of {topic}
{who} was out for {topic}
the day ended in {topic}
{who} has taken to {topic}
people talk of {topic} by {who}
""",
    "held": """
by then {exc}
it had turned out that {exc}
{who} says, and rightly, that {exc}
the truth is that {exc}
you should know that {exc}
to make it plain, {exc}
there is proof that {exc}
at that very hour {exc}
one thing more, {exc}
it is written down that {exc}
{who} saw for certain that {exc}
""",
    "verdict": """
How do you see it, breach or no breach?
Is somebody at fault?
Can one do that?
Is it against the rules?
Should {who} be worried?
Must anyone answer for this?
Did {who} keep to the code?
Is that still lawful?
What do you say to that?
Does the rule permit it?
Has {who} done wrong?
Are the rules kept?
Is it to be let pass?
Would the code be broken?
""",
    "fine": """
How much will it come to in fines?
What does {who} owe for it?
Is anything to be paid, and what?
And the fine?
What is the bill for that?
What would the fine amount to?
Say how much must be paid, if anything.
How much is it in money?
What would {who} be fined?
Work out the fine.
What sum does the code ask for?
What does the breach cost {who}?
""",
    "direct_deadline": """
{n} {unit} for the {topic}: is that a breach?
Would {who} be late with the {topic} after {n} {unit}?
Is it against the code to let {n} {unit} pass before the {topic}?
""",
    "direct_quantity": """
{n} {unit} for the {topic}: is that a breach?
Would {who} be at fault with {n} {unit} for the {topic}?
Is it against the code if the {topic} has {n} {unit}?
""",
    "direct_act": """
The {topic}: is that a breach?
Would {who} be at fault over {topic}?
Is it against the code to have {topic}?
""",
    "limit_deadline": """
How many days, hours or weeks does {who} have for the {topic}?
How long can the {topic} wait?
When does the {topic} become late?
What time does the code leave for the {topic}?
How late may the {topic} be?
By what time should {who} be done with the {topic}?
How much time may pass before the {topic}?
""",
    "limit_quantity": """
What is the most, or the least, for the {topic}?
How big, or how small, may the {topic} be?
What does the {topic} have to be?
From what figure on is the {topic} wrong?
Which number should {who} remember for the {topic}?
What measure holds for the {topic}?
How much must or may the {topic} be?
""",
    "limit_act": """
Can one have {topic}?
Should {who} keep away from {topic}?
Is anything said against {topic}?
Yes or no to {topic}?
Do the rules let {who} have {topic}?
Is there a ban on {topic}?
What about {topic}?
""",
    "exception": """
What would make the rule on the {topic} fall away?
Who or what is let off the rule on the {topic}?
Is {who} ever free of the {topic} rule?
What if one cannot keep the rule on the {topic}: when is that all right?
Which circumstances lift the rule on the {topic}?
Where does the rule on the {topic} end?
On what condition may the rule on the {topic} be passed over?
Say when the rule on the {topic} does not bind.
""",
    "grade": """
A lapse over the {topic} ranks as what?
How bad is it to fail with the {topic}?
What is the rank of a breach over the {topic}?
Under which grade is the {topic} listed?
How does the code call a breach over the {topic}?
How heavily does the code take a breach over the {topic}?
Tell me the grade for the {topic}.
What do we call a breach of the {topic} rule?
""",
    "change": """
And with {h} {hunit} as the limit, the same?
Let {h} {hunit} be the limit instead: changed or same?
Would we say otherwise if {h} {hunit} were the limit?
How about a limit of {h} {hunit}: does it make a difference?
Say the code had {h} {hunit}. Changed or not?
Does it come out otherwise with {h} {hunit}?
What if the code said {h} {hunit} instead?
Would {who} fare differently under a limit of {h} {hunit}?
""",
    "meaning": """
What do they call {topic} in the code?
Tell me what {topic} is.
How should {who} read the term {topic}?
What sort of thing is {topic}?
""",
}
