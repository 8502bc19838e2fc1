"""Stock sentences by language: what an agent says without its model. The names are those of `agent.persona.Persona`."""

from collections.abc import Mapping

STOCK: Mapping[str, Mapping[str, str]] = {
    "en": {
        "filler": "One moment, please.",
        "reprompt": "Are you still there?",
        "again": "I am sorry, I did not catch that. Could you say it again?",
        "goodbye": "Goodbye.",
        "goodbye_silence": "I cannot hear you, so I will hang up now. Goodbye.",
        "goodbye_overtime": "I am sorry, our time is up. Please call again. Goodbye.",
        "apology": "I am sorry, I have a technical problem. Please call again later. Goodbye.",
        "not_connected": ("I am sorry, nobody can take your call at the moment. Can I help you with anything else?"),
        "not_done": "I am sorry, that did not work. Please tell me instead.",
    },
    "es": {
        "filler": "Un momento, por favor.",
        "reprompt": "¿Sigue usted ahí?",
        "again": "Disculpe, no le he entendido. ¿Puede repetirlo?",
        "goodbye": "Adiós.",
        "goodbye_silence": "No le oigo, así que voy a colgar. Adiós.",
        "goodbye_overtime": "Lo siento, se nos ha acabado el tiempo. Vuelva a llamar, por favor. Adiós.",
        "apology": "Lo siento, tengo un problema técnico. Vuelva a llamar más tarde, por favor. Adiós.",
        "not_connected": "Lo siento, ahora mismo nadie puede atenderle. ¿Puedo ayudarle en algo más?",
        "not_done": "Lo siento, eso no ha funcionado. Dígamelo, por favor.",
    },
    "fr": {
        "filler": "Un instant, s'il vous plaît.",
        "reprompt": "Êtes-vous toujours là ?",
        "again": "Je suis désolé, je n'ai pas compris. Pouvez-vous répéter ?",
        "goodbye": "Au revoir.",
        "goodbye_silence": "Je ne vous entends pas, je vais donc raccrocher. Au revoir.",
        "goodbye_overtime": "Je suis désolé, notre temps est écoulé. Merci de rappeler. Au revoir.",
        "apology": "Je suis désolé, j'ai un problème technique. Merci de rappeler plus tard. Au revoir.",
        "not_connected": (
            "Je suis désolé, personne ne peut prendre votre appel pour le moment. Puis-je vous aider autrement ?"
        ),
        "not_done": "Je suis désolé, cela n'a pas fonctionné. Dites-le-moi, s'il vous plaît.",
    },
    "de": {
        "filler": "Einen Moment, bitte.",
        "reprompt": "Sind Sie noch da?",
        "again": "Entschuldigung, das habe ich nicht verstanden. Können Sie es bitte wiederholen?",
        "goodbye": "Auf Wiederhören.",
        "goodbye_silence": "Ich kann Sie nicht hören und lege jetzt auf. Auf Wiederhören.",
        "goodbye_overtime": "Es tut mir leid, unsere Zeit ist um. Bitte rufen Sie wieder an. Auf Wiederhören.",
        "apology": "Es tut mir leid, ich habe ein technisches Problem. Bitte rufen Sie später an. Auf Wiederhören.",
        "not_connected": (
            "Es tut mir leid, im Moment kann niemand Ihren Anruf annehmen. Kann ich Ihnen sonst noch helfen?"
        ),
        "not_done": "Es tut mir leid, das hat nicht geklappt. Bitte sagen Sie es mir.",
    },
    "pt": {
        "filler": "Um momento, por favor.",
        "reprompt": "Ainda está aí?",
        "again": "Desculpe, não percebi. Pode repetir, por favor?",
        "goodbye": "Até logo.",
        "goodbye_silence": "Não consigo ouvir, por isso vou desligar. Até logo.",
        "goodbye_overtime": "Desculpe, o nosso tempo acabou. Ligue novamente, por favor. Até logo.",
        "apology": "Desculpe, estou com um problema técnico. Ligue mais tarde, por favor. Até logo.",
        "not_connected": "Desculpe, ninguém pode atender agora. Posso ajudar em mais alguma coisa?",
        "not_done": "Desculpe, isso não funcionou. Diga-me, por favor.",
    },
    "it": {
        "filler": "Un momento, per favore.",
        "reprompt": "È ancora in linea?",
        "again": "Mi scusi, non ho capito. Può ripetere?",
        "goodbye": "Arrivederci.",
        "goodbye_silence": "Non la sento, quindi riaggancio. Arrivederci.",
        "goodbye_overtime": "Mi dispiace, il nostro tempo è finito. Richiami, per favore. Arrivederci.",
        "apology": "Mi dispiace, ho un problema tecnico. Richiami più tardi, per favore. Arrivederci.",
        "not_connected": "Mi dispiace, al momento nessuno può rispondere. Posso aiutarla in altro modo?",
        "not_done": "Mi dispiace, non ha funzionato. Me lo dica, per favore.",
    },
    "hi": {
        "filler": "एक क्षण रुकिए।",
        "reprompt": "क्या आप लाइन पर हैं?",
        "again": "माफ़ कीजिए, मैं समझ नहीं पाई। क्या आप फिर से कहेंगे?",
        "goodbye": "नमस्ते।",
        "goodbye_silence": "मुझे आपकी आवाज़ नहीं आ रही है, इसलिए मैं फ़ोन रख रही हूँ। नमस्ते।",
        "goodbye_overtime": "माफ़ कीजिए, हमारा समय पूरा हो गया। कृपया दोबारा फ़ोन कीजिए। नमस्ते।",
        "apology": "माफ़ कीजिए, एक तकनीकी समस्या है। कृपया बाद में फ़ोन कीजिए। नमस्ते।",
        "not_connected": "माफ़ कीजिए, अभी कोई आपका फ़ोन नहीं ले सकता। क्या मैं और कुछ मदद करूँ?",
        "not_done": "माफ़ कीजिए, यह नहीं हो पाया। कृपया मुझे बताइए।",
    },
}
"""By ISO 639-1 code; the same codes as `agent.phrases.PHRASES`."""
