"""Stock sentences by language, which an agent says without its model. The names are those of `agent.persona.Persona`.

``{{emergency_number}}`` stands for the number for the caller's country, or for nothing.
"""

from collections.abc import Mapping

STOCK: Mapping[str, Mapping[str, str]] = {
    "en": {
        "filler": "One moment, please.",
        "reprompt": "Are you still there?",
        "again": "I am sorry, I did not catch that. Could you say it again?",
        "hardly": "I can hardly hear you. Could you speak a little louder, or go somewhere quieter?",
        "goodbye": "Goodbye.",
        "goodbye_silence": "I cannot hear you, so I will hang up now. Goodbye.",
        "goodbye_overtime": "I am sorry, our time is up. Please call again. Goodbye.",
        "apology": "I am sorry, I have a technical problem. Please call again later. Goodbye.",
        "connecting": "I am sorry, I have a technical problem. One moment, please.",
        "not_connected": ("I am sorry, nobody can take your call at the moment. Can I help you with anything else?"),
        "not_done": "I am sorry, that did not work. Please tell me instead.",
        "emergency": (
            "I cannot call the emergency services for you, and nobody here knows where you are. "
            "Please hang up now and call the emergency number {{emergency_number}} yourself."
        ),
    },
    "es": {
        "filler": "Un momento, por favor.",
        "reprompt": "¿Sigue usted ahí?",
        "again": "Disculpe, no le he entendido. ¿Puede repetirlo?",
        "hardly": "Le oigo muy mal. ¿Puede hablar un poco más alto o ir a un sitio más tranquilo?",
        "goodbye": "Adiós.",
        "goodbye_silence": "No le oigo, así que voy a colgar. Adiós.",
        "goodbye_overtime": "Lo siento, se nos ha acabado el tiempo. Vuelva a llamar, por favor. Adiós.",
        "apology": "Lo siento, tengo un problema técnico. Vuelva a llamar más tarde, por favor. Adiós.",
        "connecting": "Lo siento, tengo un problema técnico. Un momento, por favor, le paso con una persona.",
        "not_connected": "Lo siento, ahora mismo nadie puede atenderle. ¿Puedo ayudarle en algo más?",
        "not_done": "Lo siento, eso no ha funcionado. Dígamelo, por favor.",
        "emergency": (
            "No puedo llamar a emergencias por usted, y aquí nadie sabe dónde está. "
            "Cuelgue ahora, por favor, y llame usted mismo al número de emergencias {{emergency_number}} de inmediato."
        ),
    },
    "fr": {
        "filler": "Un instant, s'il vous plaît.",
        "reprompt": "Êtes-vous toujours là ?",
        "again": "Je suis désolé, je n'ai pas compris. Pouvez-vous répéter ?",
        "hardly": "Je vous entends très mal. Pouvez-vous parler plus fort ou aller dans un endroit plus calme ?",
        "goodbye": "Au revoir.",
        "goodbye_silence": "Je ne vous entends pas, je vais donc raccrocher. Au revoir.",
        "goodbye_overtime": "Je suis désolé, notre temps est écoulé. Merci de rappeler. Au revoir.",
        "apology": "Je suis désolé, j'ai un problème technique. Merci de rappeler plus tard. Au revoir.",
        "connecting": "Je suis désolé, j'ai un problème technique. Un instant, je vous passe quelqu'un.",
        "not_connected": (
            "Je suis désolé, personne ne peut prendre votre appel pour le moment. Puis-je vous aider autrement ?"
        ),
        "not_done": "Je suis désolé, cela n'a pas fonctionné. Dites-le-moi, s'il vous plaît.",
        "emergency": (
            "Je ne peux pas appeler les secours pour vous, et personne ici ne sait où vous êtes. "
            "Raccrochez maintenant et appelez vous-même le numéro d'urgence {{emergency_number}} sans attendre."
        ),
    },
    "de": {
        "filler": "Einen Moment, bitte.",
        "reprompt": "Sind Sie noch da?",
        "again": "Entschuldigung, das habe ich nicht verstanden. Können Sie es bitte wiederholen?",
        "hardly": "Ich kann Sie kaum hören. Können Sie etwas lauter sprechen oder an einen ruhigeren Ort gehen?",
        "goodbye": "Auf Wiederhören.",
        "goodbye_silence": "Ich kann Sie nicht hören und lege jetzt auf. Auf Wiederhören.",
        "goodbye_overtime": "Es tut mir leid, unsere Zeit ist um. Bitte rufen Sie wieder an. Auf Wiederhören.",
        "apology": "Es tut mir leid, ich habe ein technisches Problem. Bitte rufen Sie später an. Auf Wiederhören.",
        "connecting": "Es tut mir leid, ich habe ein technisches Problem. Einen Moment, bitte, ich verbinde Sie.",
        "not_connected": (
            "Es tut mir leid, im Moment kann niemand Ihren Anruf annehmen. Kann ich Ihnen sonst noch helfen?"
        ),
        "not_done": "Es tut mir leid, das hat nicht geklappt. Bitte sagen Sie es mir.",
        "emergency": (
            "Ich kann keinen Notruf für Sie absetzen, und hier weiß niemand, wo Sie sind. "
            "Bitte legen Sie jetzt auf und rufen Sie die Notrufnummer {{emergency_number}} selbst an."
        ),
    },
    "pt": {
        "filler": "Um momento, por favor.",
        "reprompt": "Ainda está aí?",
        "again": "Desculpe, não percebi. Pode repetir, por favor?",
        "hardly": "Ouço-o muito mal. Pode falar um pouco mais alto ou ir para um lugar mais calmo?",
        "goodbye": "Até logo.",
        "goodbye_silence": "Não consigo ouvir, por isso vou desligar. Até logo.",
        "goodbye_overtime": "Desculpe, o nosso tempo acabou. Ligue novamente, por favor. Até logo.",
        "apology": "Desculpe, estou com um problema técnico. Ligue mais tarde, por favor. Até logo.",
        "connecting": "Desculpe, estou com um problema técnico. Um momento, por favor, vou passar a chamada.",
        "not_connected": "Desculpe, ninguém pode atender agora. Posso ajudar em mais alguma coisa?",
        "not_done": "Desculpe, isso não funcionou. Diga-me, por favor.",
        "emergency": (
            "Não posso chamar os serviços de emergência por si, e ninguém aqui sabe onde está. "
            "Por favor, desligue agora e ligue para o número de emergência {{emergency_number}} imediatamente."
        ),
    },
    "it": {
        "filler": "Un momento, per favore.",
        "reprompt": "È ancora in linea?",
        "again": "Mi scusi, non ho capito. Può ripetere?",
        "hardly": "La sento molto male. Può parlare più forte o andare in un posto più tranquillo?",
        "goodbye": "Arrivederci.",
        "goodbye_silence": "Non la sento, quindi riaggancio. Arrivederci.",
        "goodbye_overtime": "Mi dispiace, il nostro tempo è finito. Richiami, per favore. Arrivederci.",
        "apology": "Mi dispiace, ho un problema tecnico. Richiami più tardi, per favore. Arrivederci.",
        "connecting": "Mi dispiace, ho un problema tecnico. Un momento, per favore, la passo a una persona.",
        "not_connected": "Mi dispiace, al momento nessuno può rispondere. Posso aiutarla in altro modo?",
        "not_done": "Mi dispiace, non ha funzionato. Me lo dica, per favore.",
        "emergency": (
            "Non posso chiamare i soccorsi per lei, e qui nessuno sa dove si trova. "
            "Riagganci ora e chiami lei stesso il numero di emergenza {{emergency_number}} dal suo telefono."
        ),
    },
    "hi": {
        "filler": "एक क्षण रुकिए।",
        "reprompt": "क्या आप लाइन पर हैं?",
        "again": "माफ़ कीजिए, मैं समझ नहीं पाई। क्या आप फिर से कहेंगे?",
        "hardly": "आपकी आवाज़ बहुत धीमी आ रही है। क्या आप थोड़ा ज़ोर से बोलेंगे या किसी शांत जगह जाएँगे?",
        "goodbye": "नमस्ते।",
        "goodbye_silence": "मुझे आपकी आवाज़ नहीं आ रही है, इसलिए मैं फ़ोन रख रही हूँ। नमस्ते।",
        "goodbye_overtime": "माफ़ कीजिए, हमारा समय पूरा हो गया। कृपया दोबारा फ़ोन कीजिए। नमस्ते।",
        "apology": "माफ़ कीजिए, एक तकनीकी समस्या है। कृपया बाद में फ़ोन कीजिए। नमस्ते।",
        "connecting": "माफ़ कीजिए, एक तकनीकी समस्या है। एक क्षण रुकिए, मैं आपको किसी से जोड़ती हूँ।",
        "not_connected": "माफ़ कीजिए, अभी कोई आपका फ़ोन नहीं ले सकता। क्या मैं और कुछ मदद करूँ?",
        "not_done": "माफ़ कीजिए, यह नहीं हो पाया। कृपया मुझे बताइए।",
        "emergency": (
            "मैं आपके लिए आपातकालीन सेवा को फ़ोन नहीं कर सकती, और यहाँ किसी को पता नहीं कि आप कहाँ हैं। "
            "कृपया अभी फ़ोन रखिए और आपातकालीन नंबर {{emergency_number}} पर ख़ुद फ़ोन कीजिए।"
        ),
    },
}
"""The sentences, by ISO 639-1 code and by name; the codes are those of `agent.phrases.PHRASES`."""
