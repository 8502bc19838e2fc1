/* The types of state.h for Python: their members, and how they are collected. */
#include "state.h"

#include <stddef.h>
#include <string.h>

enum { PLAYOUT_STATS, STREAM_POSITIONS, DELAYS, CONCEALMENT, PLAYOUT_BUFFER, MIXER, SOURCE, RECEIVER_STATS, JITTER_STATS, GAP_FILLER, JITTER_BUFFER, INBOUND, RTP_SENDER, PLAYOUT, DIGIT_SENDER,
       BACKDROP, SENT_LEVELS, BLOCK, TAP, AGREED, SRTP_CONTEXT, SRTP_STREAM, SRTP_STREAMS, SRTP, SESSION, CHANNEL, TYPES };

static PyTypeObject *types[TYPES];

PyTypeObject *
channel_type(void)
{
    return types[CHANNEL];
}

int
is_mixer(PyObject *relay)
{
    return PyObject_TypeCheck(relay, types[MIXER]);
}

/* References of a type, by offset: all Python objects that it holds, the `any` of each Ref included. */
typedef struct {
    int count;
    size_t at[10]; /* the most that any of them has */
} Objects;

static PyObject **
object_at(PyObject *self, size_t offset)
{
    return (PyObject **)((char *)self + offset);
}

static int
visit_objects(PyObject *self, const Objects *held, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    for (int each = 0; each < held->count; each++)
        Py_VISIT(*object_at(self, held->at[each]));
    return 0;
}

static int
clear_objects(PyObject *self, const Objects *held)
{
    for (int each = 0; each < held->count; each++)
        Py_CLEAR(*object_at(self, held->at[each]));
    return 0;
}

static void
free_object(PyObject *self, const Objects *held)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear_objects(self, held);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

#define COLLECTED(T, COUNT, ...)                                                                             \
    static const Objects T##_objects = {COUNT, {__VA_ARGS__}};                                               \
    static int T##_traverse(PyObject *self, visitproc visit, void *arg)                                      \
    {                                                                                                        \
        return visit_objects(self, &T##_objects, visit, arg);                                                \
    }                                                                                                        \
    static int T##_clear(PyObject *self) { return clear_objects(self, &T##_objects); }                       \
    static void T##_free(PyObject *self) { free_object(self, &T##_objects); }

COLLECTED(Source, 2, offsetof(Source, address), offsetof(Source, known))
COLLECTED(ReceiverStats, 0, 0)
COLLECTED(JitterStats, 0, 0)
COLLECTED(GapFiller, 1, offsetof(GapFiller, last))
COLLECTED(JitterBuffer, 4, offsetof(JitterBuffer, stats), offsetof(JitterBuffer, filler),
          offsetof(JitterBuffer, waiting), offsetof(JitterBuffer, begins_with))
COLLECTED(PlayoutJitterStats, 0, 0)
COLLECTED(StreamPositions, 0, 0)
COLLECTED(Delays, 1, offsetof(Delays, weights))
COLLECTED(Concealment, 1, offsetof(Concealment, repeated))
COLLECTED(PlayoutJitterBuffer, 5, offsetof(PlayoutJitterBuffer, stats), offsetof(PlayoutJitterBuffer, stream),
          offsetof(PlayoutJitterBuffer, delays), offsetof(PlayoutJitterBuffer, concealment),
          offsetof(PlayoutJitterBuffer, blocks))
COLLECTED(Mixer, 0, 0)
COLLECTED(Inbound, 6, offsetof(Inbound, source), offsetof(Inbound, received), offsetof(Inbound, jitter),
          offsetof(Inbound, listener), offsetof(Inbound, tones), offsetof(Inbound, next))
COLLECTED(RtpSender, 0, 0)
COLLECTED(Playout, 2, offsetof(Playout, queue), offsetof(Playout, edge))
COLLECTED(DigitSender, 0, 0)
COLLECTED(Backdrop, 2, offsetof(Backdrop, ambience), offsetof(Backdrop, thinking))
COLLECTED(SentLevels, 1, offsetof(SentLevels, backdrop))
COLLECTED(Block, 2, offsetof(Block, data), offsetof(Block, addresses))
COLLECTED(Tap, 1, offsetof(Tap, block))
COLLECTED(Agreed, 0, 0)
COLLECTED(SrtpContext, 0, 0)
COLLECTED(SrtpStream, 0, 0)
COLLECTED(SrtpStreams, 2, offsetof(SrtpStreams, context), offsetof(SrtpStreams, heard))
COLLECTED(Srtp, 2, offsetof(Srtp, sender), offsetof(Srtp, sound))
COLLECTED(RtpSession, 10, offsetof(RtpSession, agreed), offsetof(RtpSession, inbound), offsetof(RtpSession, playout),
          offsetof(RtpSession, digits), offsetof(RtpSession, sent_levels), offsetof(RtpSession, sender),
          offsetof(RtpSession, srtp), offsetof(RtpSession, relay), offsetof(RtpSession, recording),
          offsetof(RtpSession, live))
COLLECTED(Channel, 2, offsetof(Channel, session), offsetof(Channel, tap))

/* A Ref as an attribute. */
typedef struct {
    size_t offset;
    int type;
} RefPlace;

static PyObject *
ref_get(PyObject *self, void *closure)
{
    Ref *ref = (Ref *)((char *)self + ((const RefPlace *)closure)->offset);
    if (ref->any == NULL) {
        PyErr_SetString(PyExc_AttributeError, "it was not set");
        return NULL;
    }
    Py_INCREF(ref->any);
    return ref->any;
}

static int
ref_set(PyObject *self, PyObject *value, void *closure)
{
    const RefPlace *place = closure;
    Ref *ref = (Ref *)((char *)self + place->offset);
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "it cannot be deleted");
        return -1;
    }
    PyObject *before = ref->any;
    Py_INCREF(value);
    ref->any = value;
    ref->hot = PyObject_TypeCheck(value, types[place->type]) ? value : NULL;
    Py_XDECREF(before);
    return 0;
}

#define REF(T, field, name, kind) \
    {name, ref_get, ref_set, NULL, &(RefPlace){offsetof(T, field), kind}}

static PyObject *
last_get(PyObject *self, void *closure)
{
    GapFiller *filler = (GapFiller *)self;
    (void)closure;
    if (filler->last != NULL) {
        Py_INCREF(filler->last);
        return filler->last;
    }
    return PyBytes_FromStringAndSize((const char *)filler->sound, filler->length);
}

/* The bytes object `value` as text of `length` bytes; NULL with an error if it is none. */
static char *
bytes_of(PyObject *value, Py_ssize_t *length)
{
    char *text = NULL;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "it cannot be deleted");
        return NULL;
    }
    return PyBytes_AsStringAndSize(value, &text, length) < 0 ? NULL : text;
}

static int
last_set(PyObject *self, PyObject *value, void *closure)
{
    GapFiller *filler = (GapFiller *)self;
    Py_ssize_t length;
    char *text = bytes_of(value, &length);
    (void)closure;
    if (text == NULL)
        return -1;
    Py_CLEAR(filler->last);
    if (length > SOUND_MAX) {
        Py_INCREF(value);
        filler->last = value;
        return 0;
    }
    memcpy(filler->sound, text, (size_t)length);
    filler->length = (int)length;
    return 0;
}

static PyObject *
past_get(PyObject *self, void *closure)
{
    (void)closure;
    return PyBytes_FromStringAndSize((const char *)((Concealment *)self)->past, MEMORY);
}

static int
past_set(PyObject *self, PyObject *value, void *closure)
{
    Py_ssize_t length;
    char *text = bytes_of(value, &length);
    (void)closure;
    if (text == NULL)
        return -1;
    if (length != MEMORY) {
        PyErr_SetString(PyExc_ValueError, "the past has another length");
        return -1;
    }
    memcpy(((Concealment *)self)->past, text, MEMORY);
    return 0;
}

static PyObject *
chunk_get(PyObject *self, void *closure)
{
    Channel *channel = (Channel *)self;
    (void)closure;
    return PyBytes_FromStringAndSize((const char *)channel->chunk, channel->waiting);
}

static int
chunk_set(PyObject *self, PyObject *value, void *closure)
{
    Channel *channel = (Channel *)self;
    Py_ssize_t length;
    char *text = bytes_of(value, &length);
    (void)closure;
    if (text == NULL)
        return -1;
    if (length > CHUNK_MAX) {
        PyErr_SetString(PyExc_ValueError, "more than one chunk of sound waits");
        return -1;
    }
    memcpy(channel->chunk, text, (size_t)length);
    channel->waiting = (int)length;
    return 0;
}

void
push_level(SentLevels *queue, unsigned char level)
{
    if (queue->count == LEVELS_KEPT)
        memmove(queue->levels, queue->levels + 1, LEVELS_KEPT - 1);
    else
        queue->count++;
    queue->levels[queue->count - 1] = level;
}

/* Fill `levels` with those of the last `frames` slots, and keep the newest if there are more than that. */
int
take_levels(SentLevels *queue, int frames, unsigned char *levels)
{
    int spare = queue->count > frames ? LEVELS_SPARE : 0;
    int there = queue->count - spare, used = there < frames ? there : frames;
    memset(levels, LEVEL_SILENT, (size_t)(frames - used));
    memcpy(levels + frames - used, queue->levels + there - used, (size_t)used);
    if (spare)
        queue->levels[0] = queue->levels[queue->count - 1];
    queue->count = spare;
    return frames;
}

static PyObject *
levels_push(PyObject *self, PyObject *value)
{
    long level = PyLong_AsLong(value);
    if (level < 0 || level > 255) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "a level is a byte");
        return NULL;
    }
    push_level((SentLevels *)self, (unsigned char)level);
    Py_RETURN_NONE;
}

static PyObject *
levels_take(PyObject *self, PyObject *value)
{
    long frames = PyLong_AsLong(value);
    if (frames < 0 || frames > 100000) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "too many frames");
        return NULL;
    }
    PyObject *levels = PyBytes_FromStringAndSize(NULL, frames);
    if (levels != NULL)
        take_levels((SentLevels *)self, (int)frames, (unsigned char *)PyBytes_AsString(levels));
    return levels;
}

static PyMethodDef SentLevels_methods[] = {
    {"push", levels_push, METH_O, "Take the level of the slot that is sent now."},
    {"take", levels_take, METH_O, "The levels of the slots in which the last frames came, oldest first."},
    {NULL, NULL, 0, NULL},
};

#define MEMBER(T, name, kind, field) {name, kind, offsetof(T, field), 0, NULL}
#define END {NULL, 0, 0, 0, NULL}
#define NO_MORE {NULL, NULL, NULL, NULL, NULL}

static PyMemberDef Source_members[] = {
    MEMBER(Source, "address", T_OBJECT_EX, address), MEMBER(Source, "_at", T_DOUBLE, at),
    MEMBER(Source, "_last", T_LONGLONG, last), MEMBER(Source, "_settled", T_BOOL, settled), END};
static PyMemberDef ReceiverStats_members[] = {
    MEMBER(ReceiverStats, "_transit", T_DOUBLE, transit), MEMBER(ReceiverStats, "jitter", T_DOUBLE, jitter),
    MEMBER(ReceiverStats, "_highest", T_LONGLONG, highest), MEMBER(ReceiverStats, "packets", T_LONGLONG, packets), END};
static PyMemberDef JitterStats_members[] = {
    MEMBER(JitterStats, "received", T_LONGLONG, received),
    MEMBER(JitterStats, "longest_stall", T_DOUBLE, longest_stall), END};
static PyMemberDef GapFiller_members[] = {
    MEMBER(GapFiller, "sound_at", T_DOUBLE, sound_at), MEMBER(GapFiller, "_spread", T_DOUBLE, spread),
    MEMBER(GapFiller, "_usual", T_DOUBLE, usual), MEMBER(GapFiller, "_inserted", T_LONGLONG, inserted),
    MEMBER(GapFiller, "in_step", T_BOOL, in_step), END};
static PyMemberDef JitterBuffer_members[] = {
    MEMBER(JitterBuffer, "_waiting", T_OBJECT_EX, waiting),
    MEMBER(JitterBuffer, "_begins_with", T_OBJECT_EX, begins_with),
    MEMBER(JitterBuffer, "_sequence", T_LONGLONG, sequence), MEMBER(JitterBuffer, "_timestamp", T_LONGLONG, timestamp),
    MEMBER(JitterBuffer, "_heard_at", T_DOUBLE, heard_at), MEMBER(JitterBuffer, "_sound_at", T_DOUBLE, sound_at),
    MEMBER(JitterBuffer, "_ahead", T_DOUBLE, ahead), END};
static PyMemberDef Inbound_members[] = {
    MEMBER(Inbound, "tones", T_OBJECT_EX, tones),
    MEMBER(Inbound, "_next", T_OBJECT_EX, next), MEMBER(Inbound, "_ssrc", T_LONGLONG, ssrc),
    MEMBER(Inbound, "heard_at", T_DOUBLE, heard_at), MEMBER(Inbound, "_fresh", T_BOOL, fresh), END};
static PyMemberDef RtpSender_members[] = {
    MEMBER(RtpSender, "slot", T_LONGLONG, slot), MEMBER(RtpSender, "ssrc", T_LONGLONG, ssrc),
    MEMBER(RtpSender, "_sequence", T_LONGLONG, sequence), MEMBER(RtpSender, "_timestamp", T_LONGLONG, timestamp),
    MEMBER(RtpSender, "_first", T_BOOL, first), END};
static PyMemberDef Playout_members[] = {
    MEMBER(Playout, "_queue", T_OBJECT_EX, queue), MEMBER(Playout, "_edge", T_OBJECT_EX, edge),
    MEMBER(Playout, "_utterance", T_LONGLONG, utterance), MEMBER(Playout, "_samples", T_LONGLONG, samples),
    MEMBER(Playout, "_offset", T_LONGLONG, offset), MEMBER(Playout, "_finished", T_LONGLONG, finished),
    MEMBER(Playout, "_told", T_LONGLONG, told), MEMBER(Playout, "paused", T_BOOL, paused),
    MEMBER(Playout, "_sounding", T_BOOL, sounding), END};
static PyMemberDef DigitSender_members[] = {MEMBER(DigitSender, "active", T_BOOL, active), END};
static PyMemberDef Backdrop_members[] = {
    MEMBER(Backdrop, "ambience", T_OBJECT_EX, ambience), MEMBER(Backdrop, "_thinking", T_OBJECT_EX, thinking), END};
static PyMemberDef Block_members[] = {
    MEMBER(Block, "data", T_OBJECT_EX, data), MEMBER(Block, "addresses", T_OBJECT_EX, addresses),
    MEMBER(Block, "length", T_LONGLONG, length), END};
static PyMemberDef Tap_members[] = {
    MEMBER(Tap, "_until", T_DOUBLE, until), MEMBER(Tap, "_full_at", T_LONGLONG, full),
    MEMBER(Tap, "muted", T_BOOL, muted), MEMBER(Tap, "_headers", T_BOOL, headers),
    MEMBER(Tap, "clear", T_BOOL, clear), END};
static PyMemberDef SrtpContext_members[] = {
    MEMBER(SrtpContext, "context", T_LONGLONG, context), MEMBER(SrtpContext, "function", T_LONGLONG, function), END};
static PyMemberDef SrtpStream_members[] = {
    MEMBER(SrtpStream, "ssrc", T_LONGLONG, ssrc), MEMBER(SrtpStream, "last", T_LONGLONG, last), END};
static PyMemberDef SrtpStreams_members[] = {MEMBER(SrtpStreams, "_overhead", T_INT, overhead), END};
static PyMemberDef Srtp_members[] = {END};
static PyMemberDef PlayoutJitterStats_members[] = {MEMBER(PlayoutJitterStats, "played", T_LONGLONG, played), END};
static PyMemberDef StreamPositions_members[] = {
    MEMBER(StreamPositions, "_sequence", T_LONGLONG, sequence), MEMBER(StreamPositions, "_timestamp", T_LONGLONG, timestamp),
    MEMBER(StreamPositions, "_position", T_LONGLONG, position), MEMBER(StreamPositions, "_length", T_LONGLONG, length),
    MEMBER(StreamPositions, "_arrived", T_DOUBLE, arrived), END};
static PyMemberDef Delays_members[] = {
    MEMBER(Delays, "_weights", T_OBJECT_EX, weights), MEMBER(Delays, "fastest", T_DOUBLE, fastest),
    MEMBER(Delays, "target", T_DOUBLE, target), MEMBER(Delays, "_recent", T_DOUBLE, recent),
    MEMBER(Delays, "_earlier", T_DOUBLE, earlier), MEMBER(Delays, "_turned", T_DOUBLE, turned),
    MEMBER(Delays, "_seen", T_DOUBLE, seen), MEMBER(Delays, "_weight", T_DOUBLE, weight),
    MEMBER(Delays, "_late", T_DOUBLE, late), MEMBER(Delays, "_packets", T_LONGLONG, packets), END};
static PyMemberDef Concealment_members[] = {MEMBER(Concealment, "_repeated", T_OBJECT_EX, repeated), END};
static PyMemberDef PlayoutJitterBuffer_members[] = {
    MEMBER(PlayoutJitterBuffer, "_blocks", T_OBJECT_EX, blocks), MEMBER(PlayoutJitterBuffer, "_at", T_LONGLONG, at),
    MEMBER(PlayoutJitterBuffer, "_bridged", T_LONGLONG, bridged), MEMBER(PlayoutJitterBuffer, "_level", T_LONGLONG, level),
    END};
static PyMemberDef Mixer_members[] = {END};
static PyMemberDef RtpSession_members[] = {
    MEMBER(RtpSession, "recording", T_OBJECT_EX, recording), MEMBER(RtpSession, "live", T_OBJECT_EX, live), END};
static PyMemberDef Agreed_members[] = {
    MEMBER(Agreed, "sent_code", T_INT, sent), MEMBER(Agreed, "received_code", T_INT, received), END};
static PyMemberDef Channel_members[] = {
    MEMBER(Channel, "watch_at", T_DOUBLE, watch_at), MEMBER(Channel, "number", T_LONGLONG, number),
    MEMBER(Channel, "chunk_size", T_INT, chunk_size), MEMBER(Channel, "alert", T_INT, alert),
    MEMBER(Channel, "heard", T_BOOL, heard), END};
static PyMemberDef SentLevels_members[] = {END};

static PyGetSetDef plain[] = {NO_MORE};
static PyGetSetDef GapFiller_attributes[] = {{"last", last_get, last_set, NULL, NULL}, NO_MORE};
static PyGetSetDef JitterBuffer_attributes[] = {
    REF(JitterBuffer, stats, "stats", JITTER_STATS), REF(JitterBuffer, filler, "_filler", GAP_FILLER), NO_MORE};
static PyGetSetDef Inbound_attributes[] = {
    REF(Inbound, source, "source", SOURCE), REF(Inbound, received, "received", RECEIVER_STATS),
    REF(Inbound, jitter, "jitter", JITTER_BUFFER), REF(Inbound, listener, "listener", PLAYOUT_BUFFER), NO_MORE};
static PyGetSetDef SentLevels_attributes[] = {REF(SentLevels, backdrop, "backdrop", BACKDROP), NO_MORE};
static PyGetSetDef Tap_attributes[] = {REF(Tap, block, "_block", BLOCK), NO_MORE};
static PyGetSetDef RtpSession_attributes[] = {
    REF(RtpSession, agreed, "_agreed", AGREED), REF(RtpSession, inbound, "inbound", INBOUND), REF(RtpSession, playout, "playout", PLAYOUT),
    REF(RtpSession, digits, "digits", DIGIT_SENDER), REF(RtpSession, sent_levels, "sent_levels", SENT_LEVELS),
    REF(RtpSession, sender, "_sender", RTP_SENDER), REF(RtpSession, srtp, "_srtp", SRTP),
    REF(RtpSession, relay, "relay", PLAYOUT_BUFFER), NO_MORE};
static PyGetSetDef Concealment_attributes[] = {{"_past", past_get, past_set, NULL, NULL}, NO_MORE};
static PyGetSetDef PlayoutJitterBuffer_attributes[] = {
    REF(PlayoutJitterBuffer, stats, "stats", PLAYOUT_STATS), REF(PlayoutJitterBuffer, stream, "_stream", STREAM_POSITIONS),
    REF(PlayoutJitterBuffer, delays, "_delays", DELAYS),
    REF(PlayoutJitterBuffer, concealment, "_concealment", CONCEALMENT), NO_MORE};
static PyGetSetDef SrtpStreams_attributes[] = {
    REF(SrtpStreams, context, "context", SRTP_CONTEXT), REF(SrtpStreams, heard, "heard", SRTP_STREAM), NO_MORE};
static PyGetSetDef Srtp_attributes[] = {
    REF(Srtp, sender, "_sender", SRTP_CONTEXT), REF(Srtp, sound, "sound", SRTP_STREAMS), NO_MORE};
static PyGetSetDef Channel_attributes[] = {
    REF(Channel, session, "session", SESSION), REF(Channel, tap, "tap", TAP),
    {"chunk", chunk_get, chunk_set, NULL, NULL}, NO_MORE};

static PyObject *
buffer_take_whole(PyObject *self, PyObject *value)
{
    double now = PyFloat_AsDouble(value);
    unsigned char frame[FRAME];
    if (now == -1.0 && PyErr_Occurred())
        return NULL;
    if (!take_relayed((PlayoutJitterBuffer *)self, now, frame))
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((const char *)frame, FRAME);
}

static PyMethodDef PlayoutJitterBuffer_methods[] = {
    {"take_whole", buffer_take_whole, METH_O, "The next frame if it has come whole and is due; else None, and nothing is changed."},
    {NULL, NULL, 0, NULL},
};
static PyMethodDef no_methods[] = {{NULL, NULL, 0, NULL}};

static PyObject *
type_of(const char *name, int size, PyMemberDef *members, PyGetSetDef *attributes, PyMethodDef *methods,
        traverseproc traverse, inquiry clear, destructor free)
{
    PyType_Slot slots[] = {
        {Py_tp_members, members}, {Py_tp_getset, attributes}, {Py_tp_methods, methods},
        {Py_tp_traverse, (void *)traverse}, {Py_tp_clear, (void *)clear}, {Py_tp_dealloc, (void *)free},
        {0, NULL},
    };
    PyType_Spec spec = {name, size, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    return PyType_FromSpec(&spec);
}

#define MADE(T, kind, attributes, methods)                                                                       \
    (types[kind] = (PyTypeObject *)type_of("media.fast._fast." #T, sizeof(T), T##_members, attributes, methods,  \
                                           T##_traverse, T##_clear, T##_free),                                   \
     types[kind] == NULL || PyModule_AddObjectRef(module, #T, (PyObject *)types[kind]) < 0)

/* A dataclass with slots leaves out those that a base says it has. */
static int
name_slots(int type, PyObject *names)
{
    if (names == NULL)
        return -1;
    int failed = PyObject_SetAttrString((PyObject *)types[type], "__slots__", names);
    Py_DECREF(names);
    return failed;
}

int
add_types(PyObject *module)
{
    if (MADE(Source, SOURCE, plain, no_methods) || MADE(ReceiverStats, RECEIVER_STATS, plain, no_methods) ||
        MADE(JitterStats, JITTER_STATS, plain, no_methods) ||
        MADE(GapFiller, GAP_FILLER, GapFiller_attributes, no_methods) ||
        MADE(JitterBuffer, JITTER_BUFFER, JitterBuffer_attributes, no_methods) ||
        MADE(Inbound, INBOUND, Inbound_attributes, no_methods) || MADE(RtpSender, RTP_SENDER, plain, no_methods) ||
        MADE(Playout, PLAYOUT, plain, no_methods) || MADE(DigitSender, DIGIT_SENDER, plain, no_methods) ||
        MADE(Backdrop, BACKDROP, plain, no_methods) ||
        MADE(SentLevels, SENT_LEVELS, SentLevels_attributes, SentLevels_methods) ||
        MADE(Block, BLOCK, plain, no_methods) || MADE(Tap, TAP, Tap_attributes, no_methods) ||
        MADE(SrtpContext, SRTP_CONTEXT, plain, no_methods) || MADE(SrtpStream, SRTP_STREAM, plain, no_methods) ||
        MADE(SrtpStreams, SRTP_STREAMS, SrtpStreams_attributes, no_methods) ||
        MADE(Srtp, SRTP, Srtp_attributes, no_methods) ||
        MADE(PlayoutJitterStats, PLAYOUT_STATS, plain, no_methods) ||
        MADE(StreamPositions, STREAM_POSITIONS, plain, no_methods) || MADE(Delays, DELAYS, plain, no_methods) ||
        MADE(Concealment, CONCEALMENT, Concealment_attributes, no_methods) ||
        MADE(PlayoutJitterBuffer, PLAYOUT_BUFFER, PlayoutJitterBuffer_attributes, PlayoutJitterBuffer_methods) ||
        MADE(Mixer, MIXER, plain, no_methods) ||
        MADE(Agreed, AGREED, plain, no_methods) || MADE(RtpSession, SESSION, RtpSession_attributes, no_methods) ||
        MADE(Channel, CHANNEL, Channel_attributes, no_methods))
        return -1;
    return name_slots(JITTER_STATS, Py_BuildValue("(ss)", "received", "longest_stall")) < 0
               ? -1
               : name_slots(PLAYOUT_STATS, Py_BuildValue("(s)", "played"));
}
