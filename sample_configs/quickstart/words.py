"""The vocabulary of the quickstart: all that the tiny model ever reads is put together from these words.

Plain data, written as text to be split at spaces or at `|`. It knows nothing of models, files or how the words
become questions (that is `skills.py`).
"""

NAMES = (
    "Ada Ben Carla David Elena Felix Greta Hugo Iris Jonas Karin Leo Marta Nils Olga Paul Rosa Simon Tara Viktor "
    "Anna Boris Clara Dora Emil Frida Gustav Hana Ivan Julia Klara Lukas Mila Nora Oskar Petra Robert Sofia Tomas Vera"
)

CITIES = (
    "Hamburg Lyon Porto Leeds Bergen Milan Brno Gdansk Malmo Turku Graz Basel Ghent Aarhus Seville Turin Bordeaux "
    "Dresden Bristol Utrecht Krakow Split Patras Cork Nantes Bologna Linz Tampere Valencia Zadar"
)

WORDS = (
    "apple river stone cloud lamp chair bread train window garden pencil bottle mirror ladder candle button carpet "
    "basket hammer pillow bridge forest island market castle rocket planet tunnel violin drum flute kettle spoon fork "
    "plate towel blanket jacket helmet glove boot scarf wallet ribbon magnet engine wheel anchor compass lantern "
    "pepper onion carrot tomato lemon cherry melon butter honey sugar"
)

COUNTRIES = {  # continent -> country:capital
    "Europe": "France:Paris Germany:Berlin Italy:Rome Spain:Madrid Portugal:Lisbon Austria:Vienna Poland:Warsaw "
    "Czechia:Prague Hungary:Budapest Greece:Athens Norway:Oslo Sweden:Stockholm Finland:Helsinki Ireland:Dublin "
    "Denmark:Copenhagen Belgium:Brussels Croatia:Zagreb Serbia:Belgrade",
    "Asia": "Japan:Tokyo China:Beijing India:Delhi Thailand:Bangkok Vietnam:Hanoi Iraq:Baghdad Iran:Tehran "
    "Nepal:Kathmandu Mongolia:Ulaanbaatar Jordan:Amman",
    "Africa": "Egypt:Cairo Kenya:Nairobi Ghana:Accra Senegal:Dakar Morocco:Rabat Tunisia:Tunis Uganda:Kampala "
    "Zambia:Lusaka Angola:Luanda Nigeria:Abuja",
    "America": "Peru:Lima Chile:Santiago Cuba:Havana Canada:Ottawa Colombia:Bogota Ecuador:Quito Uruguay:Montevideo "
    "Venezuela:Caracas Bolivia:Sucre Jamaica:Kingston",
}

COLOURS = {
    "green": ("grass", "a frog", "a pine tree", "spinach"),
    "white": ("snow", "milk", "a swan", "salt"),
    "black": ("coal", "a raven", "tar"),
    "red": ("blood", "a strawberry", "a fire engine"),
    "yellow": ("a banana", "a canary", "a lemon"),
    "grey": ("a mouse", "an elephant", "ash"),
}

LEGS = {
    "two": ("a duck", "a hen", "an owl", "an ostrich", "a penguin"),
    "four": ("a dog", "a cat", "a horse", "a cow", "a goat", "a lizard"),
    "six": ("an ant", "a bee", "a beetle", "a wasp"),
    "eight": ("a spider", "a scorpion", "a tick"),
}

NONSENSE = (
    "a promise",
    "a whisper",
    "a rumour",
    "a secret",
    "a joke",
    "a wish",
    "a melody",
    "a doubt",
    "gravity",
    "silence",
    "yesterday",
    "Tuesday",
    "the letter Q",
    "the number seven",
)

PRIVATE = ("password", "phone number", "bank account", "home address", "salary", "door code")

TEAMS = {  # team -> what its tickets are about
    "billing": "invoice|refund|credit note|card charge|monthly fee|discount|receipt|payment",
    "technical": "screen|battery|app|software update|sensor|wifi module|firmware|keyboard",
    "shipping": "parcel|delivery|courier|tracking number|package|shipment|return label|customs form",
    "account": "password|login|user name|profile|email address|security code|membership|sign-in page",
}

TROUBLES = (
    "is wrong|does not work|has disappeared|is still missing|changed overnight|must be checked|was never confirmed|"
    "is not what I expected|looks strange since Monday|is a mess again"
)

OPPOSITES = {  # language -> pairs, each asked in both directions
    "de": "groß:klein alt:jung warm:kalt schnell:langsam hell:dunkel laut:leise voll:leer teuer:billig",
    "fr": "grand:petit vieux:jeune chaud:froid rapide:lent clair:sombre plein:vide long:court fort:faible",
    "es": "grande:pequeño viejo:joven caliente:frío rápido:lento claro:oscuro lleno:vacío caro:barato alto:bajo",
    "cs": "velký:malý starý:mladý teplý:studený rychlý:pomalý světlý:tmavý plný:prázdný drahý:levný silný:slabý",
}

NUMBERS = {  # language -> one, two, three, ...
    "de": "eins zwei drei vier fünf sechs sieben acht neun zehn",
    "fr": "un deux trois quatre cinq six sept huit neuf dix",
    "es": "uno dos tres cuatro cinco seis siete ocho nueve diez",
    "cs": "jedna dva tři čtyři pět šest sedm osm devět deset",
}
