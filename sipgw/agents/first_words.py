"""First words of an agent that has none of its own, by language (ISO 639-1)."""

GREETINGS = {
    "en": "Hello, this is {{business}}. How can I help you?",
    "es": "Hola, le atiende {{business}}. ¿En qué puedo ayudarle?",
    "fr": "Bonjour, {{business}} à votre écoute. Comment puis-je vous aider ?",
    "de": "Guten Tag, hier ist {{business}}. Wie kann ich Ihnen helfen?",
    "pt": "Olá, aqui é {{business}}. Como posso ajudar?",
    "it": "Buongiorno, qui è {{business}}. Come posso aiutarla?",
    "hi": "नमस्ते, यह {{business}} है। मैं आपकी क्या मदद कर सकती हूँ?",
}
"""For a caller."""
CALLING = {
    "en": "Hello, this is {{business}}. Do you have a moment?",
    "es": "Hola, le llama {{business}}. ¿Tiene un momento?",
    "fr": "Bonjour, ici {{business}}. Avez-vous un instant ?",
    "de": "Guten Tag, hier ist {{business}}. Haben Sie einen Moment Zeit?",
    "pt": "Olá, aqui é {{business}}. Você tem um momento?",
    "it": "Buongiorno, qui è {{business}}. Ha un momento?",
    "hi": "नमस्ते, यह {{business}} है। क्या आपके पास एक मिनट है?",
}
"""For a person whom it calls."""
CALLING_BACK = {
    "en": "Hello, this is {{business}}. You asked us to call you back about {{topic}}.",
    "es": "Hola, le llama {{business}}. Nos pidió que le llamáramos por lo siguiente: {{topic}}.",
    "fr": "Bonjour, ici {{business}}. Vous nous avez demandé de vous rappeler au sujet de : {{topic}}.",
    "de": "Guten Tag, hier ist {{business}}. Sie haben um einen Rückruf gebeten. Es geht um: {{topic}}.",
    "pt": "Olá, aqui é {{business}}. Você pediu que ligássemos de volta sobre: {{topic}}.",
    "it": "Buongiorno, qui è {{business}}. Ci ha chiesto di richiamarla per: {{topic}}.",
    "hi": "नमस्ते, यह {{business}} है। आपने हमसे इस बारे में वापस फ़ोन करने को कहा था: {{topic}}।",
}
"""For a person who asked for the call."""
SCREENED = {
    "en": "Hello, this is {{business}}. We would like to speak with the person we have called.",
    "es": "Hola, somos {{business}}. Queremos hablar con la persona a la que llamamos.",
    "fr": "Bonjour, ici {{business}}. Nous souhaitons parler à la personne que nous appelons.",
    "de": "Guten Tag, hier ist {{business}}. Wir möchten mit der Person sprechen, die wir anrufen.",
    "pt": "Olá, aqui é {{business}}. Gostaríamos de falar com a pessoa para quem ligamos.",
    "it": "Buongiorno, qui è {{business}}. Vorremmo parlare con la persona che abbiamo chiamato.",
    "hi": "नमस्ते, यह {{business}} है। हमने जिन्हें फ़ोन किया है, हम उनसे बात करना चाहते हैं।",
}
"""For a call screen."""
VOICEMAIL = {
    "en": "Hello, this is {{business}}. We could not reach you. Please call us back. Goodbye.",
    "es": "Hola, le llama {{business}}. No hemos podido localizarle. Llámenos, por favor. Adiós.",
    "fr": "Bonjour, ici {{business}}. Nous n'avons pas pu vous joindre. Merci de nous rappeler. Au revoir.",
    "de": "Guten Tag, hier ist {{business}}. Wir konnten Sie nicht erreichen. Bitte rufen Sie uns zurück. "
    "Auf Wiederhören.",
    "pt": "Olá, aqui é {{business}}. Não conseguimos falar com você. Ligue para nós, por favor. Até logo.",
    "it": "Buongiorno, qui è {{business}}. Non siamo riusciti a raggiungerla. La preghiamo di richiamarci. "
    "Arrivederci.",
    "hi": "नमस्ते, यह {{business}} है। हमारी आपसे बात नहीं हो सकी। कृपया हमें वापस फ़ोन कीजिए। नमस्ते।",
}
"""For an answering machine, after the beep."""
