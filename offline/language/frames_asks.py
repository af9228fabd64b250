"""Ask frames: what the question wants to know.

One frame a line. `[a|b]` is a choice, `{topic} {h} {hunit} {who}` are slots. Frames under VERDICT,
FINE and CHANGE follow a scene; the others stand on their own.
"""

VERDICT: dict[str, str] = {
    "training": """
[Is|Was] this a breach?
Has the rule been kept?
Breach or not?
Is that [allowed|in order|all right]?
[Does|Did] this break the rule?
What is the ruling?
Is the rule broken?
Is anything wrong with that?
Has the code been followed?
How [is|would] this [to be|be] judged?
May it be so?
Is there a breach?
Does the code put up with this?
Was the rule respected?
[Tell me|Say] whether this is a breach.
Does that count as a breach?
Is it fine as it is?
""",
    "exam": """
Is a rule broken here?
[Is|Was] that within the rules?
Does this amount to a breach?
Is it a breach?
Would you call this a breach?
Does it comply with the code?
[Is|Was] everything as it should be?
Has a rule been broken?
Is this permitted under the code?
What does the code make of it?
Was it right?
""",
    "novel": """
Do we have a breach on our hands?
Would an inspector object to that?
Does that go against the code?
Is this acceptable?
""",
}

FINE: dict[str, str] = {
    "training": """
What does it cost?
What fine [is due|follows|falls due]?
How much [must|has to] be paid?
What is the fine?
What is to be paid for this?
How high is the fine?
What [penalty|fine] does the code set for that?
Is there a fine, and how much?
What [sum|amount] is owed?
Name the fine.
What fine, if any, is to be paid?
How much does {who} owe?
What will {who} [pay|have to pay]?
Which fine goes with this?
What is the price of that?
How dear is it?
""",
    "exam": """
How much is the fine?
What fine does this carry?
What does {who} have to pay?
What would it cost?
What is the penalty in money?
Which sum must be paid?
How much money is due?
What fine is to be expected?
What does this breach cost, if it is one?
How large a fine is it?
""",
    "novel": """
What will this set {who} back?
Give the amount of any fine.
What must be handed over as a penalty?
How much would the code charge?
""",
}

LIMIT: dict[str, dict[str, str]] = {
    "deadline": {
        "training": """
How long is allowed for the {topic}?
Within what time must the {topic} be done?
What is the time limit for the {topic}?
By when must the {topic} be [dealt with|seen to|done]?
How much time does the code [give|leave] for the {topic}?
What deadline [holds|applies] for the {topic}?
What does the code say about the {topic}?
How long may {who} take over the {topic}?
Give the time limit for the {topic}.
The {topic}: how long at most?
In what time is the {topic} due?
What is the rule for the {topic}?
When must the {topic} be finished?
How soon must the {topic} come?
[State|Name] the deadline for the {topic}.
""",
        "exam": """
How long may the {topic} take?
What is the deadline for the {topic}?
What time limit applies to the {topic}?
How soon must the {topic} be done?
How much time is there for the {topic}?
What rule holds for the {topic}?
How long does {who} have for the {topic}?
What does the code allow for the {topic}?
Within how [long|much time] is the {topic} due?
What is the limit for the {topic}?
""",
        "novel": """
Up to what time can {who} put off the {topic}?
What period is set for the {topic}?
How quickly does the {topic} have to happen?
The code gives how long for the {topic}?
""",
    },
    "quantity": {
        "training": """
What is the limit for the {topic}?
What figure does the code set for the {topic}?
How much is allowed for the {topic}?
What does the code say about the {topic}?
What number holds for the {topic}?
What is the rule for the {topic}?
Give the limit for the {topic}.
The {topic}: what limit?
What [amount|quantity] does the code [name|give] for the {topic}?
Which figure must {who} keep to with the {topic}?
What must the {topic} [keep to|come to]?
[State|Name] the limit for the {topic}.
How many, or how much, for the {topic}?
What is asked of the {topic}?
Where is the line drawn for the {topic}?
""",
        "exam": """
What limit applies to the {topic}?
What limit is set for the {topic}?
What rule holds for the {topic}?
Which limit does the code give for the {topic}?
What does the code allow for the {topic}?
How much may the {topic} come to?
What figure applies to the {topic}?
What is the figure for the {topic}?
What is laid down for the {topic}?
What must {who} observe with the {topic}?
""",
        "novel": """
What bound is placed on the {topic}?
How far may the {topic} go?
The code fixes what figure for the {topic}?
What value should {who} have in mind for the {topic}?
""",
    },
    "act": {
        "training": """
Is {topic} allowed?
What does the code say about {topic}?
Is {topic} forbidden or allowed?
What is the rule on {topic}?
May there be {topic}?
How does the code stand on {topic}?
[Allowed or forbidden|Forbidden or allowed]: {topic}?
Does the code [allow|forbid] {topic}?
Can {who} go in for {topic}?
Where does the code stand on {topic}?
Is it all right to have {topic}?
What holds for {topic}?
The {topic}: what is the rule?
""",
        "exam": """
Is {topic} permitted?
What is the rule for {topic}?
Does the code permit {topic}?
What does the code lay down on {topic}?
Is {topic} allowed or forbidden?
What applies to {topic}?
May {who} take up {topic}?
What rule holds for {topic}?
Is {topic} ruled out?
""",
        "novel": """
Does the code have anything against {topic}?
Would {topic} be tolerated?
What stance does the code take on {topic}?
Can people engage in {topic}?
""",
    },
}

EXCEPTION: dict[str, str] = {
    "training": """
What exception is there for the {topic}?
When does the rule on the {topic} not apply?
Is there an exception for the {topic}, and which?
What exception does the code make for the {topic}?
In what case is the rule on the {topic} lifted?
Name the exception [for|to the rule on] the {topic}.
Under what circumstances is {who} free of the rule on the {topic}?
The {topic}: any exception?
When need nobody keep the rule on the {topic}?
What [excuses|sets aside] a breach of the rule on the {topic}?
When may one depart from the rule on the {topic}?
What lifts the rule on the {topic}?
Which case is left out of the rule on the {topic}?
Is the rule on the {topic} ever set aside?
Give the exception for the {topic}.
""",
    "exam": """
What is the exception for the {topic}?
Which exception applies to the {topic}?
When is the rule on the {topic} lifted?
Under what condition does the rule on the {topic} not hold?
When is there an exception for the {topic}?
Does the rule on the {topic} have an exception?
What exception is made for the {topic}?
When does the {topic} rule not count?
When is {who} excused from the rule on the {topic}?
In which case does the rule on the {topic} not apply?
""",
    "novel": """
What would release {who} from the rule on the {topic}?
When can the {topic} rule be ignored?
Does anything exempt the {topic}?
On what occasion does the code look away from the {topic}?
""",
}

GRADE: dict[str, str] = {
    "training": """
What grade of breach goes with the {topic}?
How is a breach of the rule on the {topic} graded?
What grade does a breach over the {topic} have?
How serious is a breach of the rule on the {topic}?
Which grade does the code [give|set] for the {topic}?
Name the grade of breach for the {topic}.
What sort of breach is it to break the rule on the {topic}?
The {topic}: which grade of breach?
Into which grade does a breach over the {topic} fall?
What kind of breach is a failure with the {topic}?
How [bad|grave] is a breach in the matter of the {topic}?
A breach of the rule on the {topic} has what grade?
How does the code rate a breach over the {topic}?
Give the grade of a breach over the {topic}.
""",
    "exam": """
What grade is a breach of the rule on the {topic}?
Which grade of breach is set for the {topic}?
How is a breach over the {topic} rated?
What grade of breach does the {topic} carry?
How serious is it to break the rule on the {topic}?
Which grade applies to the {topic}?
What is the grade of a breach for the {topic}?
What grade does {who} face over the {topic}?
How does the code grade a breach over the {topic}?
""",
    "novel": """
In what class of breach does the {topic} stand?
What level of breach is a lapse over the {topic}?
How severely is a breach over the {topic} classed?
Breaking the {topic} rule is what grade?
""",
}

CHANGE: dict[str, str] = {
    "training": """
If the limit were {h} {hunit}, would the outcome change?
Would it be different with a limit of {h} {hunit}?
Suppose the limit were {h} {hunit}: does the outcome change?
Would a limit of {h} {hunit} change the [outcome|ruling]?
Same outcome with {h} {hunit} as the limit?
Does the ruling change if the code said {h} {hunit}?
If the rule said {h} {hunit}, would it come out the same?
Were the limit {h} {hunit}, would that change anything?
Let the limit be {h} {hunit}. Is the outcome the same?
Now put the limit at {h} {hunit}. Does that change the [outcome|result]?
With {h} {hunit} in the code, same or changed?
Imagine a limit of {h} {hunit}. What becomes of the outcome?
Does it matter if the limit is moved to {h} {hunit}?
Would the ruling stay the same under a limit of {h} {hunit}?
Changed or same, if the limit became {h} {hunit}?
""",
    "exam": """
Would the outcome change if the limit were {h} {hunit}?
If the code set the limit at {h} {hunit}, would the ruling be the same?
Does a limit of {h} {hunit} alter the outcome?
Would the result be different at {h} {hunit}?
What if the limit were {h} {hunit}: changed or the same?
Were {h} {hunit} the limit, would the outcome be different?
Would moving the limit to {h} {hunit} change the result?
Is the outcome the same under a limit of {h} {hunit}?
If {h} {hunit} had been the limit, would the ruling change?
""",
    "novel": """
Had the drafters written {h} {hunit}, would the case end differently?
Replace the limit by {h} {hunit}: any difference?
Is the result affected when the limit becomes {h} {hunit}?
Would {h} {hunit} instead of the present limit turn the case around?
""",
}

MEANING: dict[str, str] = {
    "training": """
What does the code mean by {topic}?
What is meant by {topic}?
What does {topic} mean?
Define {topic}.
How does the code define {topic}?
What is the meaning of {topic}?
Explain the term {topic}.
In this code, what is {topic}?
[State|Give] the meaning of {topic}.
What does the term {topic} stand for?
""",
    "exam": """
What meaning does {topic} have?
What is {topic} in the sense of the code?
How is {topic} defined?
What does the term {topic} mean?
What should one understand by {topic}?
What definition does the code give of {topic}?
Which meaning has the term {topic}?
What is understood by {topic}?
""",
    "novel": """
The expression {topic} refers to what?
When the code says {topic}, what is it talking about?
What counts as {topic}?
Spell out the term {topic}.
""",
}
