"""The words of invented codes: house, garden, school, road, craft, sport and office.

The subjects of the demonstration domains (harbours and food markets) are left out, so that what the
nano is asked about there is new to it. Nearly half of all words in a topic are not even from this
stock but made up from its pieces, so that the nano learns to copy by pieces.
"""

import random


def _words(block: str) -> list[str]:
    return block.split()


THINGS = _words("""
antenna apron archive armchair attic axle badge balcony balloon banner barn basin basket bathtub
battery bedroom beehive bell bench bicycle binder birdhouse blackboard blanket bonfire bookcase
boot bottle bracket brick bridge broom brush bucket bulb bunk bus button cabin cabinet cable camera
campfire candle canvas carpet cart castle ceiling cellar certificate chain chair chalk chapel chart
chess chimney choir circuit classroom clay clock closet clover coat coin column compass computer
concert copier corridor costume cottage couch courtyard cradle crane crutch cupboard curtain
cushion cyclist desk diary dictionary ditch doll door drawer dress drill drum dustbin easel
elevator engine envelope eraser exhibit fabric factory faucet feather fence ferret fiddle film
filter fireplace flag flute folder footpath forest fork fountain frame freezer furnace gallery game
garage garden gate generator glass glove gown grave greenhouse guitar gutter hairdryer hall hammer
handrail hat heater hedge helmet hinge hive horse hose hostel hut incubator invoice iron jacket jar
jersey jewel journal kennel kettle keyboard kiln kite kitchen kitten label laboratory ladder lamp
lantern laundry lawn lecture lens letter lever library lock locker loom lounge machine mailbox
manual map mask mast mattress meadow medal mirror mitten mosaic motor mountain museum napkin needle
nest notebook novel nursery oven paddock painting pants paper parade parcel park pasture patient
patio pavement pendulum pennant piano picture pigeon pillow pipe pitch planet plaster plough pond
poster printer prize projector puddle pump puppet puzzle pylon quarry quilt quiver rabbit radiator
radio railing ramp razor recorder refuse registry ribbon ring roof rope rug ruler saddle satchel
sauna saw scaffold scarf schedule school scooter screen sculpture seed shed sheep shelf shirt
shovel shutter sidewalk signpost skate sled sleeve slide sofa spade speaker sponge stable stadium
staircase statue stool stove street studio suitcase sweater swing switch table tablet tapestry
teapot telescope tent terrace theatre thermostat thimble ticket tile timber toolbox torch towel
tower toy tractor trailer train tram tray tree trophy truck trumpet tunnel turbine tyre umbrella
uniform vacuum valve vase veranda violin volcano wagon wall wallet wardrobe washer watch waterfall
wheel wheelbarrow whistle window windmill wire workbench workshop wreath yarn zipper
""")

PAPERS = _words("""
account agenda allowance answer appeal application appointment approval audit booking briefing
bulletin ceremony check claim class cleaning collection complaint conference contract course
delivery diagnosis donation draft election enquiry entry estimate evaluation examination exercise
fee form hearing inspection installation interview inventory invitation lease lesson licence list
loan log maintenance meeting membership message notice offer order payment permit petition plan
practice proof proposal protest receipt record refund rehearsal removal renewal rental repair reply
report request reservation return review sample search session signature statement submission
summary survey test training transfer translation treatment trip update visit voucher warning
warranty withdrawal
""")

AMOUNTS = _words("""
age area capacity charge count crew deposit depth distance dose gap gradient group heat height
length level load noise number pile pressure queue quantity rate reserve share size slope space
speed staff stack stock store strength supply temperature thickness volume weight width
""")

DEEDS = _words("""
baking balancing begging bouncing bowling camping carving chanting chewing clapping climbing
cooking copying crawling cycling dancing digging doodling drawing drumming fencing filming gambling
gardening gossiping hammering hiking hopping humming hunting ironing juggling jumping kicking
knitting lending napping painting photographing picnicking playing polishing pushing racing reading
riding running sawing shouting singing skating sketching sledging sleeping smoking snoring sprinting
stacking swinging tapping tattooing throwing tickling training typing waving welding whispering
whistling wrestling yodelling
""")

MODIFIERS = _words("""
acid adult amber annual antique autumn backup barefoot basement black blue borrowed brass broken
bronze central ceramic chemical circular common copper corner country cotton cream crystal curved
daily damp dark digital double dusty early eastern electric emerald empty evening extra family fast
festive fibre final first flat folding formal front full gentle giant golden graduate green grey
guest half hand heavy hidden hollow home indoor inner ivory joint junior large late leather left
linen little local long loud lower lunar main manual marble medical metal midday modern monthly
morning motor musical narrow national night nightly noisy northern old open orange oval outdoor
outer paper parent partial peach personal pink plain plastic polar portable printed private public
purple quarterly quick quiet rapid rear red regional remote residential rubber rural rusty scarlet
school second senior shallow shared sharp short silent silk silver simple single slow small soft
solar solid special spare spring square staff standard steel stone straw student summer sunday
tall teacher temporary thick thin timber top training travel twin upper urban used vacant velvet
violet visitor warm weekend weekly western white wide wild window winter wireless wooden woollen
yearly yellow young
""")

PERSONS = _words("""
caretaker teacher doctor nurse warden director librarian coach gardener architect principal porter
painter secretary mayor referee conductor chairman engineer surgeon tutor captain guard pilot
carpenter plumber judge treasurer curator editor ranger
""")

# Predicates of exceptions: each with its own subject. Singular, present tense.
STATES = """
is locked|is open|is closed|is under repair|is out of order|is in use|is empty|is full|is being
 cleaned|is on loan|is switched off|is covered|is dry|is wet|is frozen|is sold|is being painted|is
 less than a year old|is not at hand|is on fire|has failed|has been lost|has been stolen|has been
 replaced|has broken down|has run out|stands empty|lies in the shade|belongs to the school|bears a
 seal|carries a red tag|has no handle|has two keys|is needed elsewhere|is on display|is due for
 renewal|is beyond repair|is under guard|is fenced off|is older than the house|faces the road|is
 marked in blue|is not yet paid for|has been moved|is out of reach|weighs next to nothing|is blocked
 by snow|has its own cover|is kept in the attic|is made of glass
"""
DOINGS = """
is on leave|is ill|is present|has agreed in writing|has signed the form|has given consent|is away
|has been informed|asks for it|has said so|has left the building|is on duty|has granted a delay
|is under age|holds a licence|is in hospital|has issued a pass|has been called out|stands by
|leads the group|has waived it|is in training|has retired|approves of it|is at lunch
|has lost the key|is new to the post|has ordered it|gives the signal|keeps watch
|has set another date|is abroad
"""
WEATHER = """
it is raining|it is dark|it snows|the sun is down|a storm is on the way|the power is out|it is a
 public holiday|the road is flooded|there is fog|the heating is off|an alarm has been raised|the
 night is clear|a strike is on|no bus is running|the term has ended|frost is forecast|it is past
 midnight|a feast is being held|there is no other way|the roads are icy|the bells are ringing
"""

GRADES = _words("""
amber basic bleak blunt bold broad coarse cold common crimson crude deep dire distinct dull faint
feeble fierce first formal foul fourth great gross hard harsh high hollow lasting light little low
mean middle mild modest narrow patent petty plain primary pure rank raw real rough second secondary
sharp simple small soft sore steep stern stiff stout strong third tiny trivial vast vile weak wild
""")

TIMES = ["days"] * 5 + ["hours"] * 4 + ["weeks"] * 2 + ["minutes"] * 2 + ["months", "nights"]
MEASURES = _words("""
metres metres litres litres kilograms kilograms persons persons degrees degrees tonnes pages pieces
boxes watts decibels rooms seats copies bottles bags items units points grams rows steps tables
chairs members barrels planks sheets lamps
""")
CURRENCIES = ["crowns"] * 7 + ["marks", "florins", "ducats"]

ONSETS = _words("""
b bl br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p pl
pr qu r s sc sh sk sl sp st t th tr v w z
""")
NUCLEI = _words("a a e e i i o o u ai ea ee ie oa oo ou y")
CODAS = _words("b ck d f g l ll m n n nd ng nk nt p r r rd rk rm rn s sh ss st t t th x")


def phrases(block: str) -> list[str]:
    """Return the alternatives of a block, which may run over line ends."""
    return [" ".join(part.split()) for part in block.split("|")]


def nonce(rng: random.Random) -> str:
    """Make up a word, of syllables or of halves of two words of the stock."""
    if rng.random() < 0.5:
        left, right = rng.choice(THINGS + PAPERS), rng.choice(THINGS + MODIFIERS)
        return left[: rng.randint(2, 4)] + right[-rng.randint(3, 5) :]
    count = rng.choice((1, 2, 2, 2, 3))
    syllables = [rng.choice(ONSETS) + rng.choice(NUCLEI) for _ in range(count)]
    return "".join(syllables) + rng.choice(CODAS)


def word(choices: list[str], rng: random.Random, invented: float) -> str:
    """Choose a word, or, in that share of cases, make one up."""
    return nonce(rng) if rng.random() < invented else rng.choice(choices)
