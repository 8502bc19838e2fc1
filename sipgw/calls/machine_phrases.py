"""Phrases of answering machines, voice mail and call screens, in the languages of the agents. Collected by listening;
short on purpose.

A machine speaks the language of its owner, not the agent's, so all languages are matched at once.
"""

STRONG = {
    "en": r"(?:after|at|until|wait for) (?:the|a) (?:beep|tone|signal)|voice ?mail|mail ?box"
    r"|answering (?:machine|service)|(?:person|party|customer|number|subscriber) you"
    r"(?:'re|'ve| are| have| were)? ?(?:trying|called|dialled|dialed|calling)"
    r"|record your (?:message|name)|(?:can't|cannot|can not|unable to) (?:come to|get to|take|answer) (?:the|your|my)"
    r"(?: phone| call)?|been forwarded|press (?:1|one|pound|hash)|leave (?:me|us) (?:a|your)",
    "es": r"(?:después|despues|tras) (?:de(?:l| la)?|oír|oir) (?:la |el )?(?:señal|senal|tono|bip)|buzón de voz"
    r"|buzon de voz|contestador|deje (?:su|un|el) (?:mensaje|recado|nombre)|el número (?:que ha marcado|marcado)"
    r"|el (?:abonado|cliente|usuario) (?:al que|no)",
    "fr": r"après (?:le|la) (?:bip|signal|tonalité)|boîte vocale|boite vocale|messagerie|répondeur"
    r"|laissez(?:-moi|-nous)? (?:un|votre|vos) (?:message|nom|coordonnées)|votre correspondant"
    r"|le numéro que vous (?:avez|demandez)",
    "de": r"nach dem (?:signalton|piepton|ton|pieps)|anrufbeantworter|mailbox|sprachbox"
    r"|hinterlass(?:en sie|t)|(?:der|die) (?:gewünschte|angerufene|von ihnen gewählte) (?:gesprächspartner|teilnehmer"
    r"|person|rufnummer)|sprechen sie nach",
    "pt": r"(?:após|apos|depois d[oe]) (?:o )?(?:sinal|bip)|caixa (?:postal|de mensagens)|correio de voz"
    r"|secretária eletrônica|deixe (?:o )?(?:seu|sua|um|uma) (?:recado|mensagem|nome)|grave (?:seu|sua)",
    "it": r"dopo il (?:segnale|bip|tono)|segreteria telefonica|casella vocale"
    r"|lasci(?:ate)? (?:un|il (?:suo|tuo|vostro)) (?:messaggio|nome)|l'utente (?:da lei|chiamato|desiderato)",
    "hi": r"(?:बीप|टोन) (?:के|की) (?:बाद|आवाज़)|(?:वॉइस|वॉयस) ?मेल|संदेश (?:छोड़|रिकॉर्ड)|beep ke baad|sandesh chhod"
    r"|(?:जिस|आप जिस) (?:नंबर|व्यक्ति)|aap jis (?:number|vyakti)",
}
"""By ISO 639-1 code: what leaves no doubt."""
WEAK = {
    "en": r"you(?:'ve| have) reached|not available|unavailable|away from|get back to you|return your call|call you back"
    r"|leave (?:a|your)(?: name| brief| short| detailed)?(?: message| name| number)|as soon as|thank you for calling",
    "es": r"ha llamado a|no (?:está|esta) disponible|en este momento no|lo antes posible|le (?:devolveré|devolveremos)"
    r"|gracias por (?:llamar|su llamada)",
    "fr": r"vous êtes bien (?:chez|sur)|(?:pas|n'est pas) disponible|je suis absent|dès que possible|vous rappeler"
    r"|merci de votre appel",
    "de": r"(?:zurzeit|zur zeit|momentan|im moment|leider) (?:nicht|keiner)|nicht erreichbar|nicht zu erreichen"
    r"|rufe? (?:sie |dich )?(?:so bald|sobald|schnellstmöglich)|melde? mich|vielen dank für ihren anruf",
    "pt": r"você ligou para|não (?:está|posso) (?:disponível|atender)|no momento não|assim que possível"
    r"|retorn(?:o|aremos)"
    r"|obrigad[oa] por ligar",
    "it": r"risponde il (?:numero|telefono)|non (?:è|sono) (?:disponibile|raggiungibile|in casa)|al momento non"
    r"|appena possibile|sarà richiamat|grazie per (?:aver|la) chiama",
    "hi": r"उपलब्ध नहीं|अभी (?:व्यस्त|फ़ोन नहीं)|uplabdh nahi|जल्द से जल्द",
}
"""By ISO 639-1 code: phrases that humans say, too; two of them together prove a machine."""
SCREEN = {
    "en": r"screening (?:service|assistant)|call (?:screen|assist)|using a screening"
    r"|(?:record|say|state|give) (?:me )?your name,? (?:and|along with) (?:the |your )?(?:reason|purpose|why)"
    r"|name and (?:the )?reason for|see if (?:this person|they|he|she)(?: is| are|'s|'re) available"
    r"|who(?:'s| is) calling and (?:why|what)|before i (?:try to )?connect you",
    "es": r"filtr(?:o|ado) de llamadas|su nombre y (?:el )?(?:motivo|asunto|la razón)",
    "fr": r"filtr(?:e|age) (?:d'|des )appels|votre nom et (?:le motif|la raison|l'objet)",
    "de": r"anruffilter|ihren namen und (?:den )?(?:grund|anlass)",
    "pt": r"(?:triagem|filtro) de (?:chamadas|ligações)|seu nome e (?:o )?(?:motivo|assunto)",
    "it": r"filtro (?:delle )?chiamate|(?:suo|tuo) nome e il motivo",
    "hi": r"(?:अपना|आपका) नाम और .{0,20}कारण|apna naam aur .{0,20}(?:karan|wajah)",
}
"""By ISO 639-1 code: phrases of a call screen, which asks for name and purpose on behalf of a person who may answer."""
HOLDS = (
    r"(?:stay|hold) on|on the line|please (?:wait|hold)|one moment|no cuelgue|en línea|un momento|restez en ligne"
    r"|ne quittez pas|un instant|bleiben sie|in der leitung|na linha|aguarde|in linea|attenda|लाइन पर|रुकिए"
)
"""Phrases of a call screen after that, while it asks the person."""
UNFINISHED = (
    r"record your name|(?:person|party|customer|number|subscriber) you(?:'re|'ve| are| have| were)? ?"
    r"(?:trying|called|dialled|dialed|calling)"
)
"""Phrases of both machines and call screens; the rest of the sentence decides."""
