"""Stock sentences by language (ISO 639-1): for options that are empty, and for tools of the gateway."""

GREETINGS = {
    "en": "Hello, this is {{business}}. How can I help you?",
    "es": "Hola, le atiende {{business}}. ¿En qué puedo ayudarle?",
    "fr": "Bonjour, {{business}} à votre écoute. Comment puis-je vous aider ?",
    "de": "Guten Tag, hier ist {{business}}. Wie kann ich Ihnen helfen?",
    "pt": "Olá, aqui é {{business}}. Como posso ajudar?",
    "it": "Buongiorno, qui è {{business}}. Come posso aiutarla?",
    "hi": "नमस्ते, यह {{business}} है। मैं आपकी क्या मदद कर सकती हूँ?",
}
"""Greeting for a caller."""
CALLING = {
    "en": "Hello, this is {{business}}. Do you have a moment?",
    "es": "Hola, le llama {{business}}. ¿Tiene un momento?",
    "fr": "Bonjour, ici {{business}}. Avez-vous un instant ?",
    "de": "Guten Tag, hier ist {{business}}. Haben Sie einen Moment Zeit?",
    "pt": "Olá, aqui é {{business}}. Você tem um momento?",
    "it": "Buongiorno, qui è {{business}}. Ha un momento?",
    "hi": "नमस्ते, यह {{business}} है। क्या आपके पास एक मिनट है?",
}
"""Greeting for a person whom the agent calls."""
CALLING_BACK = {
    "en": "Hello, this is {{business}}. You asked us to call you back about {{topic}}.",
    "es": "Hola, le llama {{business}}. Nos pidió que le llamáramos por lo siguiente: {{topic}}.",
    "fr": "Bonjour, ici {{business}}. Vous nous avez demandé de vous rappeler au sujet de : {{topic}}.",
    "de": "Guten Tag, hier ist {{business}}. Sie haben um einen Rückruf gebeten. Es geht um: {{topic}}.",
    "pt": "Olá, aqui é {{business}}. Você pediu que ligássemos de volta sobre: {{topic}}.",
    "it": "Buongiorno, qui è {{business}}. Ci ha chiesto di richiamarla per: {{topic}}.",
    "hi": "नमस्ते, यह {{business}} है। आपने हमसे इस बारे में वापस फ़ोन करने को कहा था: {{topic}}।",
}
"""Greeting for a person who asked to be called back."""
SCREENED = {
    "en": "Hello, this is {{business}}. We would like to speak with the person we have called.",
    "es": "Hola, somos {{business}}. Queremos hablar con la persona a la que llamamos.",
    "fr": "Bonjour, ici {{business}}. Nous souhaitons parler à la personne que nous appelons.",
    "de": "Guten Tag, hier ist {{business}}. Wir möchten mit der Person sprechen, die wir anrufen.",
    "pt": "Olá, aqui é {{business}}. Gostaríamos de falar com a pessoa para quem ligamos.",
    "it": "Buongiorno, qui è {{business}}. Vorremmo parlare con la persona che abbiamo chiamato.",
    "hi": "नमस्ते, यह {{business}} है। हमने जिन्हें फ़ोन किया है, हम उनसे बात करना चाहते हैं।",
}
"""Answer to a call screen, which asks who calls and why."""
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
"""Message for an answering machine, after the beep."""
REFUSED = {
    "en": "I am sorry, we cannot take your call now. Please try again later. Goodbye.",
    "es": "Lo siento, ahora no podemos atender su llamada. Inténtelo más tarde, por favor. Adiós.",
    "fr": "Je suis désolé, nous ne pouvons pas prendre votre appel. Merci de réessayer plus tard. Au revoir.",
    "de": "Leider können wir Ihren Anruf gerade nicht annehmen. Bitte versuchen Sie es später. Auf Wiederhören.",
    "pt": "Desculpe, não podemos atender a sua ligação agora. Tente mais tarde, por favor. Até logo.",
    "it": "Mi dispiace, ora non possiamo rispondere alla sua chiamata. Riprovi più tardi, per favore. Arrivederci.",
    "hi": "क्षमा कीजिए, अभी हम आपका कॉल नहीं ले सकते। कृपया बाद में फिर कोशिश कीजिए। नमस्ते।",
}
"""Sentence for a caller whom the limits refuse."""
RECORDED = {
    "en": "This call is recorded.",
    "es": "Esta llamada se graba.",
    "fr": "Cet appel est enregistré.",
    "de": "Dieses Gespräch wird aufgezeichnet.",
    "pt": "Esta ligação é gravada.",
    "it": "Questa chiamata viene registrata.",
    "hi": "यह कॉल रिकॉर्ड की जा रही है।",
}
"""Announces that the call is recorded."""
MAY_BE_RECORDED = {
    "en": "If this call may be recorded, please press 1.",
    "es": "Si acepta que se grabe esta llamada, pulse 1, por favor.",
    "fr": "Si vous acceptez que cet appel soit enregistré, appuyez sur 1.",
    "de": "Wenn dieses Gespräch aufgezeichnet werden darf, drücken Sie bitte die 1.",
    "pt": "Se esta ligação puder ser gravada, tecle 1, por favor.",
    "it": "Se questa chiamata può essere registrata, prema 1, per favore.",
    "hi": "अगर यह कॉल रिकॉर्ड की जा सकती है, तो कृपया 1 दबाइए।",
}
"""Asks whether the call may be recorded."""
LISTED = {
    "en": "I have put your number on our list. We will not call you again.",
    "es": "He puesto su número en nuestra lista. No volveremos a llamarle.",
    "fr": "J'ai mis votre numéro sur notre liste. Nous ne vous appellerons plus.",
    "de": "Ich habe Ihre Nummer auf unsere Liste gesetzt. Wir rufen Sie nicht mehr an.",
    "pt": "Coloquei o seu número na nossa lista. Não ligaremos mais para você.",
    "it": "Ho messo il suo numero nella nostra lista. Non la chiameremo più.",
    "hi": "मैंने आपका नंबर हमारी सूची में डाल दिया है। हम आपको दोबारा फ़ोन नहीं करेंगे।",
}
"""Sentence for a person who wants no more calls."""
LISTED_BEFORE = {
    "en": "Your number is on our list already. We will not call you again.",
    "es": "Su número ya está en nuestra lista. No volveremos a llamarle.",
    "fr": "Votre numéro est déjà sur notre liste. Nous ne vous appellerons plus.",
    "de": "Ihre Nummer steht schon auf unserer Liste. Wir rufen Sie nicht mehr an.",
    "pt": "O seu número já está na nossa lista. Não ligaremos mais para você.",
    "it": "Il suo numero è già nella nostra lista. Non la chiameremo più.",
    "hi": "आपका नंबर पहले से हमारी सूची में है। हम आपको दोबारा फ़ोन नहीं करेंगे।",
}
"""Sentence for a person who wants no more calls, and whose number is on the do-not-call list already."""
NUMBER_UNKNOWN = {
    "en": "I cannot see your number. Please tell me which number we should not call.",
    "es": "No veo su número. Dígame, por favor, a qué número no debemos llamar.",
    "fr": "Je ne vois pas votre numéro. Dites-moi, s'il vous plaît, quel numéro nous ne devons plus appeler.",
    "de": "Ich sehe Ihre Nummer nicht. Bitte sagen Sie mir, welche Nummer wir nicht anrufen sollen.",
    "pt": "Não vejo o seu número. Diga-me, por favor, para qual número não devemos ligar.",
    "it": "Non vedo il suo numero. Mi dica, per favore, quale numero non dobbiamo chiamare.",
    "hi": "मुझे आपका नंबर नहीं दिख रहा है। कृपया बताइए कि हमें किस नंबर पर फ़ोन नहीं करना है।",
}
"""Question to a person who wants no more calls, and whose number is withheld."""
