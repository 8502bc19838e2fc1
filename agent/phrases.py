"""Short phrases by language: backchannels, greetings, yes and no.

The lists were made by ear and are short on purpose. A missing word only makes the agent pause; a wrong word makes it
ignore an answer. Sans-IO.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Phrases:
    """Words of one language, or of several together; lower case, without accents removed."""

    greetings: frozenset[str] = frozenset()
    """Greetings of callers when a call is answered; the agent's own greeting is the reply to them."""
    backchannels: frozenset[str] = frozenset()
    """Sounds that are no answer to anything."""
    assent: frozenset[str] = frozenset()
    """Phrases that mean "I am listening" while the agent speaks, and "yes" after a question of the agent."""
    digits: frozenset[str] = frozenset()
    """Words for digits, and for the signs between the parts of an address."""
    refusal: frozenset[str] = frozenset()
    """Phrases that mean "no" to a question."""
    readiness: frozenset[str] = frozenset()
    """Phrases that mean "yes" to "shall I connect you?", beside `assent`; whole phrases."""
    consent: frozenset[str] = frozenset()
    """Phrases that mean "yes" to "shall I do that?", beside `assent`; whole phrases of up to four words."""
    courtesy: frozenset[str] = frozenset()
    """Phrases beside a yes or a no that change nothing; whole phrases."""
    understanding: frozenset[str] = frozenset()
    """Phrases that show, beside `assent`, `consent` and `courtesy`, that the caller listens; words and whole phrases.
    """
    little: frozenset[str] = frozenset()
    """Words that say nothing by themselves beside those: "that" in "that makes sense"."""
    interrupts: frozenset[str] = frozenset()
    """Words that interrupt the agent although they are short."""
    teens: frozenset[str] = frozenset()
    """Words that are two digits."""
    tens: frozenset[str] = frozenset()
    """Words that are two digits, also together with the digit behind them."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> frozenset[str]:
    return frozenset(text.split(";"))


def _joined(one: str, other: str) -> frozenset[str]:
    """Every word that joins a word of `one` and a word of `other`."""
    return frozenset(first + second for first in one.split() for second in other.split())


PHRASES = {
    "en": Phrases(
        _words("hello hey hi"),
        _words("ah aha eh er hm hmm huh mhm mm mmhmm mmm oh uh uhhuh um"),
        _words("alright great ok okay right sure yeah yep yes"),
        _words("zero oh one two three four five six seven eight nine double triple dash dot hyphen underscore slash"),
        _words("no nope not never cant dont later busy wont"),
        _phrases("go ahead;put them through;put her through;put him through;connect me;connect us;ill take it"),
        _phrases("absolutely;certainly;confirm;confirmed;correct;definitely;do it")
        | _phrases("do so;do that;exactly;go ahead;indeed;of course;please do")
        | _phrases("all right;thats right;that is right;thats correct;that is correct;thats fine;that is fine")
        | _phrases("that works;that works for me;that sounds good;sounds good;sounds good to me")
        | _phrases("sounds great;that would be great;yup;yea;ya;for sure;fine;good;perfect;go for it")
        | _phrases("you got it;i agree;i confirm;i do;please go ahead;yes it is;it is"),
        _phrases("please;thanks;thank you;thanks a lot;thank you very much;sir;maam;so much"),
        _words("see know got gotcha understand understood sense true cool nice wow interesting wonderful awesome")
        | _words("excellent lovely brilliant amazing agreed noted totally really thank cheers appreciate believe glad")
        | _phrases("no problem;no worries;no kidding;no doubt;fair enough;good to know;go on;im with you;about right")
        | _phrases("how nice;how lovely;how interesting;what you mean;i hear you;works for me;not bad;my god"),
        _words("i im ive you we it its that thats this the a an all so very much too well and just makes make sounds")
        | _words("sound then lot") | _phrases("that is;this is;to me"),
        _words("stop wait no nope cancel hold hang what why how sorry but help hello"),
        _words("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
        | _joined("twenty thirty forty fifty sixty seventy eighty ninety",
                  "one two three four five six seven eight nine"),
        _words("twenty thirty forty fifty sixty seventy eighty ninety"),
    ),
    "es": Phrases(
        _words("hola buenas"),
        _words("ah aja eh em ehm mm mmm"),
        _words("bien claro ok okay si sí vale ya"),
        _words("cero uno dos tres cuatro cinco seis siete ocho nueve punto arroba guion barra"),
        _words("no nunca luego ocupado ocupada"),
        _phrases("adelante;pásame;pásamelo;páselo;conéctame"),
        _phrases("adelante;claro que sí;confirmo;correcto;de acuerdo;desde luego")
        | _phrases("exacto;hágalo;hazlo;por supuesto;eso es;así es")
        | _phrases("está bien;esta bien;me parece bien;perfecto;suena bien;así está bien;claro;eso")
        | _phrases("sí señor;sí señora;estoy de acuerdo;sí quiero"),
        _phrases("por favor;gracias;muchas gracias;señor;señora;señorita"),
        _words("entiendo entendido comprendo veo sé genial estupendo fantástico interesante cierto verdad seguro")
        | _phrases("qué bien;qué bueno;ya veo;ya lo sé;tiene sentido;no hay problema;sin problema;cómo no;es verdad")
        | _phrases("es cierto"),
        _words("lo eso muy pues entonces todo la el me bien mucho muchas"),
        _words("stop no alto para pare espera espere pero cómo perdón hola"),
        _words("diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veintiuno veintidós")
        | _words("veintitrés veintiséis") | _joined("veinti", "cuatro cinco siete ocho nueve"),
        _words("veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa"),
    ),
    "fr": Phrases(
        _words("allo allô bonjour bonsoir salut"),
        _words("ah euh hein hm mm mmm"),
        _words("accord bien daccord ok okay oui ouais voilà"),
        _words("zéro un deux trois quatre cinq six sept huit neuf point arobase tiret"),
        _words("non pas jamais occupé occupée"),
        _phrases("allezy;allez y;passez le moi;passezlemoi;vasy;vas y"),
        _phrases("absolument;allezy;allez y;bien sûr;certainement;cest ça")
        | _phrases("confirmé;correct;exactement;faitesle;faites le;je confirme;tout à fait")
        | _phrases("cest bon;ça marche;ça me va;ça me convient;très bien;parfait;cest parfait")
        | _phrases("cest correct;volontiers;allez y;cest exact;exact"),
        _phrases("merci;sil vous plaît;sil te plaît;sil vous plait;madame;monsieur;merci beaucoup"),
        _words("vois comprends compris entendu sais vrai sens génial super intéressant noté")
        | _phrases("pas de problème;pas de souci;ça a du sens;bien entendu;mais oui"),
        _words("je j cest ça ai jai a du tout très le la vous alors bon et"),
        _words("stop arrête arrêtez attends attendez non mais comment pardon allô"),
        _words("dix onze douze treize quatorze quinze seize dixsept dixhuit dixneuf")
        | _joined("vingt trente quarante cinquante soixante", "deux trois quatre cinq six sept huit neuf etun")
        | _joined("soixante quatrevingt", "dix onze douze treize quatorze quinze seize dixsept dixhuit dixneuf")
        | _joined("quatrevingt", "s un deux trois quatre cinq six sept huit neuf") | _words("soixanteetonze"),
        _words("trente quarante cinquante septante huitante nonante"),
    ),
    "de": Phrases(
        _words("hallo guten tag morgen servus"),
        _words("ach äh ähm aha hm hmm mhm öh"),
        _words("genau gut ja jo klar ok okay richtig"),
        _words("null eins zwei zwo drei vier fünf sechs sieben acht neun punkt bindestrich klammeraffe"),
        _words("nein nee ne nicht nie keine später"),
        _phrases("nur zu;verbinden sie;stell durch;stellen sie durch;gerne;bitte"),
        _phrases("absolut;auf jeden fall;bestätigt;einverstanden;gerne;ich bestätige;in ordnung")
        | _phrases("jawohl;korrekt;machen sie das;natürlich;nur zu;so ist es;stimmt")
        | _phrases("das stimmt;das passt;passt;passt so;das ist richtig;das ist gut;das klingt gut")
        | _phrases("klingt gut;sehr gut;sehr gerne;perfekt;super;prima;so machen wir das;ja genau")
        | _phrases("das ist korrekt;das geht;sicher"),
        _phrases("bitte;danke;danke schön;vielen dank;bitte schön"),
        _words("verstehe verstanden weiß weiss sinn toll schön interessant wahr achso gern kapiert logisch")
        | _phrases("kein problem;keine sorge;alles klar;ach so;macht sinn;ergibt sinn"),
        _words("ich das hab habe es so sehr dann also na schon alles") | _phrases("das ist;es ist;ist klar;ist gut"),
        _words("stop halt stopp warte warten moment nein aber wie was hallo"),
        _words("zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn zwanzig dreißig dreissig")
        | _words("vierzig fünfzig sechzig siebzig achtzig neunzig")
        | _joined("einund zweiund dreiund vierund fünfund sechsund siebenund achtund neunund",
                  "zwanzig dreißig dreissig vierzig fünfzig sechzig siebzig achtzig neunzig"),
    ),
    "pt": Phrases(
        _words("alô oi olá"),
        _words("ah ahn hã hm mm né"),
        _words("bom certo claro ok okay sim tá"),
        _words("zero um dois três quatro cinco seis meia sete oito nove ponto arroba traço"),
        _words("não nao nunca ocupado ocupada"),
        _phrases("pode passar;pode ligar;em frente"),
        _phrases("com certeza;confirmado;confirmo;correto;de acordo;exatamente")
        | _phrases("exato;faça isso;isso;isso mesmo;pode fazer;pode ser")
        | _phrases("está bem;está bom;está certo;tudo bem;tá bom;tá bem;tá certo;perfeito;parece bom")
        | _phrases("pode;beleza;combinado;claro que sim"),
        _phrases("por favor;obrigado;obrigada;muito obrigado;muito obrigada;senhor;senhora"),
        _words("entendi entendo compreendo percebi sei verdade ótimo legal maravilha vejo")
        | _phrases("sem problema;não tem problema;faz sentido;é verdade;pois é;que bom;que legal"),
        _words("eu muito já então tudo lá bem o a mesmo"),
        _words("stop pare não espere espera mas alô"),
        _words("dez onze doze treze catorze quatorze quinze dezesseis dezasseis dezessete dezassete dezoito dezenove")
        | _words("dezanove"),
        _words("vinte trinta quarenta cinquenta sessenta setenta oitenta noventa"),
    ),
    "it": Phrases(
        _words("buongiorno ciao pronto salve"),
        _words("ah eh ehm mm mmm uhm"),
        _words("bene certo esatto ok okay sì si va"),
        _words("zero uno due tre quattro cinque sei sette otto nove punto chiocciola trattino"),
        _words("no non mai occupato occupata"),
        _phrases("avanti;passamelo;me lo passi;mi colleghi"),
        _phrases("assolutamente;certamente;confermato;confermo;corretto")
        | _phrases("daccordo;faccia pure;lo faccia;perfetto;proceda;procedi")
        | _phrases("va bene;va benissimo;molto bene;benissimo;sta bene;mi sta bene;perfetto")
        | _phrases("certo che sì;è corretto;è giusto;giusto;volentieri;sono daccordo"),
        _phrases("per favore;per piacere;grazie;grazie mille;signore;signora;prego"),
        _words("capisco capito vedo vero chiaro senso bello ottimo interessante")
        | _phrases("ho capito;nessun problema;non cè problema;ha senso;è vero;che bello;lo so;ma certo;tutto chiaro"),
        _words("lo ho io questo quello molto tutto allora e già"),
        _words("stop no ferma aspetta aspetti basta ma come scusi pronto"),
        _words("dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove")
        | _joined("vent trent quarant cinquant sessant settant ottant novant", "uno otto")
        | _joined("venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
                  "due tre tré quattro cinque sei sette nove"),
        _words("venti trenta quaranta cinquanta sessanta settanta ottanta novanta"),
    ),
    "hi": Phrases(
        _words("namaste namaskar haello नमस्ते हैलो"),
        _words("ah hmm hm mm uh उम हम्म"),
        _words("accha achha haan han ji theek thik sahi अच्छा हाँ हां जी ठीक सही ok okay"),
        _words("shunya ek do teen char chaar paanch panch chhe cheh saat aath nau")
        | _words("शून्य एक दो तीन चार पांच पाँच छह सात आठ नौ"),
        _words("nahi nahin mat na नहीं मत"),
        _phrases("jodiye;jod do;जोड़िए;जोड़ दो"),
        _phrases("bilkul;kar dijiye;kar do;pakka;zaroor;बिल्कुल;कर दीजिए;कर दो;कीजिए;जरूर;ज़रूर;पक्का")
        | _phrases("ठीक है;सही है;हाँ जी;जी हाँ;बहुत अच्छा;theek hai;thik hai;sahi hai;haan ji")
        | _phrases("ji haan;bahut accha;ho jayega;kar dijiye"),
        _phrases("please;thank you;dhanyavaad;shukriya;धन्यवाद;शुक्रिया;कृपया;प्लीज़;थैंक यू"),
        _words("samjha samjhi sach badhiya समझा समझी सच बढ़िया")
        | _phrases("samajh gaya;samajh gayi;koi baat nahi;koi baat nahin;pata hai;समझ गया;समझ गई;कोई बात नहीं;पता है"),
        _words("main mujhe ye yeh to bhi bahut मैं मुझे यह तो बहुत"),
        _words("stop wait no hello ruko rukiye nahi nahin रुको रुकिए नहीं"),
        _words("das gyarah barah terah chaudah pandrah solah satrah atharah unnis bees tees chalis pachas")
        | _words("दस ग्यारह बारह बीस तीस चालीस पचास"),
    ),
}  # fmt: skip
"""By ISO 639-1 code."""


def phrases_of(languages: Iterable[str]) -> Phrases:
    """The words of all `languages` together. Raises `ValueError` for a language without words."""
    chosen = []
    for code in languages:
        if code not in PHRASES:
            raise ValueError(f"languages: {code!r} is not one of {', '.join(sorted(PHRASES))}")
        chosen.append(PHRASES[code])
    return Phrases(*(frozenset().union(*(getattr(one, field.name) for one in chosen)) for field in fields(Phrases)))
