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
"""By ISO 639-1 code: phrases that prove a machine."""
WEAK = {
    "en": r"you(?:'ve| have) reached|not available|unavailable|away from|get back to you|return your call"
    r"|call you back"
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
    "en": r"screening (?:service|assistant)|call (?:screen|assist|guardian)|(?:being|be|is|are) screened|we(?:'re"
    r"| are) screening"
    r"|screens (?:all |the |incoming |unknown )?calls"
    r"|(?:record|say|state|give|announce|speak|tell)(?: (?:me|us))? (?:your |the )?(?:full )?(?:name"
    r"|who you are),? (?:and|along with)"
    r" (?:the |your )?(?:reason|purpose|why)"
    r"|(?:record|say|state|announce|speak) your (?:full )?name (?:after|at the|and (?:we|hold|wait|press))"
    r"|(?:record|say|state|announce|speak) your (?:full )?name or |state (?:the |your )?(?:reason|purpose)"
    r"|if (?:this|the) person is available|before i (?:try to )?connect you|(?:will|to) try to connect you"
    r"|copy of this (?:conversation|call)|(?:ring|reach|notify|alert|disturb) this person"
    r"|screening (?:this|your) call|accepts? (?:unidentified|unknown|anonymous|private|blocked) (?:call|number)",
    "es": r"filtr(?:o|ado|ando) de llamadas|servicio de filtr|(?:estamos|siendo) filtra|filtrando (?:nuestras|las"
    r"|sus) llamadas"
    r"|(?:graba|grabe|diga|di|indique|indica|deje) (?:su|tu) nombre (?:y|después|tras)|nombre y (?:el )?(?:motivo"
    r"|asunto|la razón|por qué)"
    r"|indique el motivo|antes de (?:intentar )?(?:conectar|comunicar|pasar)|copia de esta",
    "fr": r"filtr(?:e|age) (?:d'|des )appels|service de filtrage|(?:appels? (?:est|sont)|être) filtré"
    r"|(?:votre|ton) nom (?:et|après)(?: pourquoi| le motif| la raison| l'objet| le bip| le signal)"
    r"|(?:énoncez|dites|enregistrez) votre nom|dites (?:qui vous êtes|pourquoi)|avant (?:que je vous|de vous) mett"
    r"|si cette personne est disponible|copie de cette",
    "de": r"anruf-?filter|screening-?(?:service|dienst|assistent)|(?:filtern|prüfen) von anrufen"
    r"|anrufe .{0,30}(?:geprüft|gefiltert)"
    r"|(?:ihren|deinen) namen (?:und|nach)(?: den| nach)? ?(?:grund|anlass|warum|dem|zweck)"
    r"|nach dem (?:signal)?ton (?:ihren|deinen) namen|(?:ihren|deinen) namen nach dem|warum sie anrufen, dann"
    r"|abschrift dieses"
    r"|ob die person (?:verfügbar|erreichbar)|bevor ich (?:sie|dich) verbinde",
    "pt": r"(?:triagem|filtro) de (?:chamadas|ligações)|filtrando (?:as )?(?:nossas )?(?:chamadas|ligações)"
    r"|sendo filtrada"
    r"|nome e (?:o )?(?:motivo|assunto|por que)|(?:diga|grave|informe) (?:o )?seu nome após"
    r"|(?:informe|indique|diga) o (?:motivo|assunto)|antes de (?:tentar )?(?:conectar|transferir)"
    r"|se ess[ae] pessoa está|cópia desta",
    "it": r"filtro (?:delle |per le )?chiamate|servizio di filtro|filtrando le|(?:suo|tuo) nome (?:e"
    r"|dopo) il (?:motivo|segnale|tono)"
    r"|chi (?:sei|è) e perché chiam|dica il motivo|prima di (?:provare a )?(?:metter|collegar)|se questa persona è"
    r"|trascrizione di questa",
    "hi": r"स्क्रीनिंग|स्क्रीन की जा|(?:अपना|आपका) नाम और .{0,20}(?:कारण|वजह|उद्देश्य)|के बाद अपना नाम (?:बोल|बता)"
    r"|कॉल का उद्देश्य"
    r"|कनेक्ट करने (?:से पहले|की कोशिश)|apna naam aur .{0,20}(?:karan|wajah)",
}
"""By ISO 639-1 code: phrases of a call screen, which asks for name and purpose on behalf of a person who may answer."""
ASKS = {
    "name": r"your (?:full |first |company |own )?name|(?:name|company) and |who you are"
    r"|who(?:'s| is) (?:calling|on the line)"
    r"|(?:identify|introduce|announce) (?:yourself|themselves)"
    r"|(?:ihren|deinen|ihr|dein) namen?|namen und|wer (?:sie sind|du bist)|(?:stellen|identifizieren|melden) sie sich"
    r"|(?:votre|ton) (?:nom|identité)|(?:présentez|identifiez|annoncez)-vous|qui (?:vous êtes|appelle)"
    r"|(?:su|tu) nombre|nombre y|identifíquese|identifícate|preséntese|preséntate|quién (?:es|eres|llama)"
    r"|seu nome|nome e |(?:identifique|apresente)-se|quem (?:é|fala|está)"
    r"|(?:suo|tuo|proprio) nome|si (?:identifichi|presenti)|(?:identificati|presentati)|chi (?:è|sei|parla)"
    r"|(?:अपना|आपका) (?:पूरा )?नाम|नाम और|अपना परिचय|आप कौन",
    "reason": r"reason|purpose|why (?:are )?you|calling about|regarding|concerning|name and business|nature of your"
    r"|what (?:this|it|your call|the call) (?:is|was) (?:about|for)"
    r"|grund|anlass|anliegen|zweck|warum|weshalb|weswegen|worum es|wegen"
    r"|motif|raison|l'objet|objet de|sujet|pourquoi (?:vous )?appel"
    r"|motivo|asunto|razón|por qué llam|assunto|razão|por que est|por que (?:você )?lig"
    r"|perché (?:mi )?(?:sta |stai )?chiam"
    r"|ragione|scopo|कारण|वजह|उद्देश्य|क्यों|किस (?:विषय|सिलसिले)",
    "person": r"(?:this|the) (?:person|party|customer|subscriber)|(?:person|party|customer) (?:you|can|is)"
    r"|(?:whether|if|so|that) (?:they|he|she|this person) (?:can|want|wish|would|know)|let them know"
    r"|connect(?:ed|ing)?\b"
    r"|(?:put|pass|send) (?:you|your call) (?:through|on)|put through|screen(?:s|ed|ing)|filter|filtr"
    r"|(?:unknown|all) (?:calls|callers)"
    r"|callers|protected|accept (?:the|this|your) call|your call (?:can|will|is|goes)"
    r"|(?:die|der|den) (?:person|angerufene)|verb(?:inde|unden)|durchstell|weiterleit|weitergeleitet"
    r"|anruf(?:e)? (?:annehm|entgegen)"
    r"|(?:cette|la) personne|(?:mis|mettre|mettions|mette) en (?:relation|contact)|mettre en|transmett"
    r"|votre correspondant"
    r"|(?:esta|la) persona|si puede atender|comunicar|conectar|completar|transferir"
    r"|pessoa|(?:questa|la) persona|se (?:la persona|può)|in (?:contatto|comunicazione)|colleg(?:ar|hi)|inoltr"
    r"|व्यक्ति|कनेक्ट|स्क्रीन|कॉल (?:जोड़|मिला)",
    "tone": r"(?:after|at|following) the (?:tone|beep|signal)|followed by the|then (?:press|hold|wait|stay)|name now"
    r"|(?:stay|remain|hold) on the line|please (?:hold|wait)"
    r"|nach dem (?:signal)?ton|(?:bleiben|warten) sie|après le (?:bip|signal)|restez en ligne|patientez"
    r"|(?:después|tras) (?:de )?(?:la|el|del?) (?:señal|tono)|(?:espere|manténgase|permanezca) en|no cuelgue"
    r"|após o (?:sinal|bip)|aguarde|na linha|dopo il (?:segnale|tono)|(?:resti|rimanga|attenda) in|attenda"
    r"|(?:टोन|बीप) के बाद|लाइन पर|प्रतीक्षा",
}
"""Subjects that a call screen asks for, and on whose behalf: two of these make one, unless neither is a name or a
reason, or it is `POLITE`.
"""
POLITE = (
    r"\b(?:may|can|could|might) (?:i|we|you)\b|who(?:'s| is) calling|what(?:'s| is| was) your name|darf ich"
    r"|k[öo]nn(?:en|ten) sie|puis-je"
    r"|pou(?:vez|rriez)-vous"
    r"|(?<!si )pued[eo]|podría|posso|(?<!pessoa )pode(?:ria)?\b|può dir|potrebbe|mi dice|क्या (?:मैं|आप)"
)
"""A question of a person who answers for somebody else; the agent answers it as any other."""
LEAVES = (
    r"leave (?:a|your|me|us|the)|(?:record|leave) (?:a|your) message|hinterlass|nachricht|dej[ae]|recado|mensaje"
    r"|laissez|deixe"
    r"|mensagem|lasci|messaggio|छोड़|संदेश|chhod|sandesh"
    r"|(?:get|call) (?:back to )?you back|get back to you|rufen (?:sie )?zurück|vous rappel|(?:le|te) llamar"
    r"|ligaremos|retornaremos|richiamer|कॉल करेंगे"
)
"""Phrases of a machine that asks for a message or promises a call, also if it wants a name and a reason in it."""
HOLDS = (
    r"(?:stay|hold) on|on the line|please (?:wait|hold)|one moment|no cuelgue|en línea|un momento|restez en ligne"
    r"|ne quittez pas|un instant|bleiben sie|in der leitung|na linha|aguarde|in linea|attenda|लाइन पर|रुकिए"
    r"|^(?:thanks|thank you|gracias|merci|danke|obrigad[oa]|grazie|धन्यवाद)\W*$"
    r"|(?:still )?trying to (?:connect|reach)|is being (?:recorded|notified)|has been notified|google|siri"
)
"""Phrases of a call screen after its request, while it asks the person."""
HELLO = (
    r"(?:hello|hi|hey|yes|yeah|speaking|hallo|ja|allô|allo|oui|hola|sí|diga|bueno|alô|oi|sim|pronto|sì"
    r"|हेलो|हैलो|हाँ|जी)(?!\w)"
)
"""How a person begins who takes a call."""
UNFINISHED = (
    r"record your name|sprechen sie nach|grave (?:o )?(?:seu|sua)"
    r"|(?:person|party|customer|number|subscriber) you(?:'re|'ve| are| have| were)? ?"
    r"(?:trying|called|dialled|dialed|calling)|(?:after|at) the (?:beep|tone|signal)|nach dem (?:signalton|piepton"
    r"|ton)"
    r"|(?:der|die) (?:angerufene|gewünschte) (?:person|teilnehmer|gesprächspartner)"
    r"|votre correspondant|après (?:le|la) (?:bip|signal|tonalité)|जिस व्यक्ति"
    r"|(?:después|despues|tras) (?:de(?:l| la)? )?(?:señal|tono)|(?:após|depois d[oe]) (?:o )?(?:sinal|bip)"
    r"|dopo il (?:segnale|bip|tono)|(?:बीप|टोन) के बाद"
)
"""Phrases of both machines and call screens, if nothing of `LEAVES` was said; the rest of the sentence decides."""
