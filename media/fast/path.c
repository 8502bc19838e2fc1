/* The packet path of the media process: what nearly every packet needs, for all calls at once.
 *
 * It does exactly what `RtpSession.receive_clear`, `RtpSession.transmit` and the worker do for a packet that follows the
 * one before. It looks at everything first. If anything is different it changes nothing, and the worker does the work
 * in Python. Nothing is allocated for a packet in the middle of a piece of sound, and the GIL is released around the
 * system calls. Each call has a socket of its own and one packet a slot: recvmmsg and sendmmsg would take one each.
 */
#include "state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <netdb.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    BATCH = 64,    /* packets that are read or sent while the GIL is released once */
    READY = 512,   /* descriptors that are looked at in one round */
    RECORD = 14,   /* media.recording.tap._RECORD */
    TAP_OUT = 1,   /* media.recording.tap._OUT */
    SOUND = 132,   /* media.process.wire.Kind.SOUND */
    SOUND_SIZE = 17, /* media.process.wire.SOUND */
    MESSAGE = 9,   /* media.process.wire._HEADER */
    LEVEL_COUNT = 1 << 15,
};

typedef struct {
    Channel *channel; /* a counted reference */
    int fd, failed;
    int size; /* bytes of `data` that are sent */
    socklen_t length;
    Place place;
    _Alignas(8) unsigned char data[HEADER + FRAME + TRAILER_MAX]; /* libsrtp wants words */
} Outgoing;

typedef struct {
    int fd;
    ssize_t length;
    Place from;
    unsigned char data[PACKET_MAX + 1];
} Incoming;

/* Bytes of sound that are handed up: usually, and if the sound is louder than `Channel.alert`; -1 if Python has to do it. */
typedef struct {
    int usual, alert;
} Ready;

typedef struct {
    Channel *channel; /* a counted reference; NULL if nobody has this descriptor */
    char dual;        /* an IPv6 socket that IPv4 packets come to as well */
    int family;
} Port;

typedef struct {
    PyObject_HEAD
    PyObject *waiter, *out, *silence, *none; /* `waiter` keeps `epoll` open */
    PyObject *take_name, *next_name, *agent_name, *ready_name;
    Port *ports; /* by descriptor */
    int port_count, epoll, busy;
    unsigned char to_alaw[256], to_ulaw[256], levels[LEVEL_COUNT];
    int64_t squares[256];
    unsigned char relayed[FRAME];
    _Alignas(8) unsigned char clear[PACKET_MAX + 1]; /* a received packet without its encryption */
    struct epoll_event ready[READY];
    Outgoing outgoing[BATCH];
    Incoming incoming[BATCH];
} FastPath;

static uint16_t
read16(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t
read32(const unsigned char *at)
{
    return (uint32_t)read16(at) << 16 | read16(at + 2);
}

static unsigned char *
write32(unsigned char *at, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (unsigned char)(value >> shift);
    return at;
}

static unsigned char *
write_double(unsigned char *at, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return write32(write32(at, (uint32_t)(bits >> 32)), (uint32_t)bits);
}

/* `host` as `place`, for a socket of that family; 0 if Python has to do it. Only what the kernel's own text of an address
 * is equal to: Python compares the texts. */
static int
read_host(const char *host, int family, int dual, Place *place)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        if (inet_ntop(AF_INET, &v4, text, sizeof text) == NULL || strcmp(text, host) != 0)
            return 0;
        if (family == AF_INET) {
            place->v4.sin_addr = v4;
            return 1;
        }
        if (!dual)
            return 0;
        memset(&v6, 0, sizeof v6);
        v6.s6_addr[10] = v6.s6_addr[11] = 0xFF; /* RFC 4291 §2.5.5.2 */
        memcpy(v6.s6_addr + 12, &v4, sizeof v4);
    } else if (family != AF_INET6 || inet_pton(AF_INET6, host, &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6) ||
               IN6_IS_ADDR_LINKLOCAL(&v6) || inet_ntop(AF_INET6, &v6, text, sizeof text) == NULL ||
               strcmp(text, host) != 0)
        return 0;
    place->v6.sin6_addr = v6;
    return 1;
}

static socklen_t
read_place(PyObject *address, const Port *port, Place *place)
{
    if (!PyTuple_Check(address) || PyTuple_Size(address) != 2)
        return 0;
    PyObject *host = PyTuple_GetItem(address, 0), *number = PyTuple_GetItem(address, 1);
    if (!PyUnicode_Check(host) || !PyLong_Check(number))
        return 0;
    long value = PyLong_AsLong(number);
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(host, &length);
    if (text == NULL || (value == -1 && PyErr_Occurred())) {
        PyErr_Clear();
        return 0;
    }
    if (value < 0 || value > 0xFFFF || strlen(text) != (size_t)length) /* a NUL in the text: Python refuses it */
        return 0;
    memset(place, 0, sizeof *place);
    place->any.sa_family = (sa_family_t)port->family;
    if (!read_host(text, port->family, port->dual, place))
        return 0;
    if (port->family == AF_INET) {
        place->v4.sin_port = htons((uint16_t)value);
        return sizeof place->v4;
    }
    place->v6.sin6_port = htons((uint16_t)value);
    return sizeof place->v6;
}

/* Whether C can tell the address that the packets of `source` go to. */
static int
find_place(Source *source, const Port *port)
{
    int kind = port->family * 2 + port->dual;
    if (source->address == NULL)
        return 0;
    if (source->known != source->address || source->known_family != kind) {
        PyObject *before = source->known;
        source->length = read_place(source->address, port, &source->place);
        Py_INCREF(source->address);
        source->known = source->address;
        source->known_family = kind;
        Py_XDECREF(before);
    }
    return source->length > 0;
}

static int
is_from(const Source *source, const Place *from)
{
    if (source->place.any.sa_family != from->any.sa_family)
        return 0;
    if (from->any.sa_family == AF_INET)
        return source->place.v4.sin_port == from->v4.sin_port &&
               source->place.v4.sin_addr.s_addr == from->v4.sin_addr.s_addr;
    return source->place.v6.sin6_port == from->v6.sin6_port && from->v6.sin6_scope_id == 0 &&
           memcmp(&source->place.v6.sin6_addr, &from->v6.sin6_addr, sizeof(struct in6_addr)) == 0;
}

/* --- packets that are kept: media.recording.tap --- */

/* A record that can be written; `kept` is the number of bytes that are kept of a packet of `size` bytes. */
typedef struct {
    Block *block; /* NULL if no packets are kept */
    unsigned char number;
    int kept;
} Record;

/* Whether a packet of `size` bytes of this source can be written as it is, if packets are kept. */
static int
find_record(const Channel *channel, const Source *source, int size, double now, Record *record)
{
    record->block = NULL;
    if (channel->tap.any == Py_None)
        return 1;
    Tap *tap = hot(&channel->tap);
    Block *block = tap == NULL ? NULL : hot(&tap->block);
    if (block == NULL || block->data == NULL || block->addresses == NULL || block->length < 0 ||
        block->length >= tap->full || now >= tap->until || !PyByteArray_Check(block->data) ||
        !PyDict_Check(block->addresses))
        return 0;
    PyObject *number = PyDict_GetItemWithError(block->addresses, source->address);
    if (number == NULL || !PyLong_Check(number)) {
        PyErr_Clear();
        return 0;
    }
    long value = PyLong_AsLong(number);
    record->kept = tap->muted || tap->headers ? HEADER : size;
    if (value < 0 || value > 254 || PyByteArray_Size(block->data) - RECORD - record->kept < block->length)
        return 0;
    record->number = (unsigned char)value;
    record->block = block;
    return 1;
}

/* The same; where the block is full or does not know the address, Tap.ready makes another one. */
static int
make_record(FastPath *path, const Channel *channel, const Source *source, int size, double now, Record *record)
{
    if (find_record(channel, source, size, now, record))
        return 1;
    PyObject *when = hot(&channel->tap) == NULL ? NULL : PyFloat_FromDouble(now);
    PyObject *done = when == NULL ? NULL
                                  : PyObject_CallMethodObjArgs(channel->tap.any, path->ready_name, when,
                                                               source->address, NULL);
    int made = done != NULL;
    Py_XDECREF(when);
    Py_XDECREF(done);
    PyErr_Clear(); /* the worker calls it again, and tells what is wrong */
    return made && find_record(channel, source, size, now, record);
}

static void
keep(const Record *record, const unsigned char *data, int size, double now, int flags)
{
    if (record->block == NULL)
        return;
    unsigned char *at = (unsigned char *)PyByteArray_AsString(record->block->data) + record->block->length;
    uint64_t bits;
    memcpy(&bits, &now, sizeof bits);
    for (int each = 0; each < 8; each++)
        at[each] = (unsigned char)(bits >> 8 * each);
    at[8] = (unsigned char)flags;
    at[9] = record->number;
    at[10] = (unsigned char)size;
    at[11] = (unsigned char)(size >> 8);
    at[12] = (unsigned char)record->kept;
    at[13] = (unsigned char)(record->kept >> 8);
    memcpy(at + RECORD, data, (size_t)record->kept);
    record->block->length += RECORD + record->kept;
}

/* --- SRTP: media.rtp.srtp --- */

/* Call the function of libsrtp that belongs to `context` for `length` bytes of `data`, in place; 0 if it refused them. */
static int
run_srtp(const SrtpContext *context, unsigned char *data, int *length)
{
    int (*function)(void *, void *, int *) = (int (*)(void *, void *, int *))(uintptr_t)context->function;
    return function((void *)(uintptr_t)context->context, data, length) == 0;
}

/* The context that the packets of a call are encrypted with, NULL if they are not; 0 if Python has to do it. */
static int
find_sender(const RtpSession *session, SrtpContext **context)
{
    *context = NULL;
    if (session->srtp.any == Py_None)
        return 1;
    Srtp *srtp = hot(&session->srtp);
    *context = srtp == NULL ? NULL : hot(&srtp->sender);
    return *context != NULL && (*context)->function != 0;
}

/* The streams that the packets of a call are received by, NULL if they are not encrypted; 0 if Python has to do it. */
static int
find_streams(const RtpSession *session, long long ssrc, SrtpStreams **streams)
{
    *streams = NULL;
    if (session->srtp.any == Py_None)
        return 1;
    Srtp *srtp = hot(&session->srtp);
    SrtpStreams *found = *streams = srtp == NULL ? NULL : hot(&srtp->sound);
    SrtpContext *context = found == NULL ? NULL : hot(&found->context);
    SrtpStream *heard = found == NULL ? NULL : hot(&found->heard);
    return context != NULL && context->function != 0 && heard != NULL && heard->ssrc == ssrc && found->overhead >= 0;
}

/* --- in --- */

/* The objects of a call that a received packet changes. */
typedef struct {
    Channel *channel;
    RtpSession *session;
    Agreed *agreed;
    Inbound *inbound;
    Source *source;
    ReceiverStats *received;
    JitterBuffer *jitter;
    GapFiller *filler;
    JitterStats *stats;
    SrtpStreams *streams; /* NULL if the call is not encrypted */
    PlayoutJitterBuffer *listener; /* NULL if nobody else listens */
    PyObject *mixer;               /* of a conference whose sound the agent hears, too; NULL for none */
    Record record;
} Receiving;

/* The buffer of a listener that `ref` refers to, NULL for none; 0 if it is anything else, which Python has to do. */
static int
find_buffer(const Ref *ref, PlayoutJitterBuffer **buffer)
{
    *buffer = hot(ref);
    return *buffer != NULL || ref->any == Py_None;
}

/* Find all of them; 0 if there is anything that Python has to do. */
static int
find_receiving(Channel *channel, Receiving *of)
{
    RtpSession *session = hot(&channel->session);
    of->channel = channel;
    of->session = session;
    if (session == NULL || session->recording != Py_None || session->live != Py_None || session->relay.any == NULL)
        return 0;
    of->mixer = is_mixer(session->relay.any) ? session->relay.any : NULL; /* what else is sent does not matter here */
    of->agreed = hot(&session->agreed);
    Inbound *inbound = of->inbound = hot(&session->inbound);
    if (of->agreed == NULL || inbound == NULL || !find_buffer(&inbound->listener, &of->listener) ||
        inbound->tones != Py_None || inbound->next != Py_None || inbound->fresh)
        return 0;
    of->source = hot(&inbound->source);
    of->received = hot(&inbound->received);
    JitterBuffer *jitter = of->jitter = hot(&inbound->jitter);
    if (of->source == NULL || !of->source->settled || of->received == NULL || isnan(of->received->transit) ||
        jitter == NULL || jitter->ahead > LEAD || jitter->begins_with == NULL || jitter->begins_with == Py_None || jitter->waiting == NULL ||
        !PyDict_Check(jitter->waiting) || PyDict_Size(jitter->waiting) != 0)
        return 0;
    of->filler = hot(&jitter->filler);
    of->stats = hot(&jitter->stats);
    return of->filler != NULL && of->filler->in_step && of->stats != NULL &&
           find_streams(session, inbound->ssrc, &of->streams);
}

/* media.rtp.receiver_stats.ReceiverStats.receive */
static void
count_received(ReceiverStats *received, int step, uint32_t timestamp, double now)
{
    double before = received->transit, transit = now * RATE - timestamp;
    double moved = transit > before ? transit - before : before - transit;
    received->transit = transit;
    received->highest += step;
    received->packets++;
    if (moved > 2147483648.0)
        moved = fabs(moved - 4294967296.0);
    received->jitter += (moved - received->jitter) * 0.0625;
}

/* media.jitter.buffer.JitterBuffer.put and media.jitter.gap_filler.GapFiller.follow */
static void
put_sound(Receiving *of, const unsigned char *sound, int length, double now)
{
    JitterBuffer *jitter = of->jitter;
    GapFiller *filler = of->filler;
    double since = now - jitter->sound_at, stalled = now - jitter->heard_at;
    of->stats->received++;
    if (since > of->stats->longest_stall && stalled > of->stats->longest_stall)
        of->stats->longest_stall = stalled;
    jitter->heard_at = jitter->sound_at = now;
    jitter->sequence++;
    jitter->timestamp += length;
    double ahead = jitter->ahead + length / RATE - since;
    jitter->ahead = ahead = ahead - ahead * SKEW * (since < 1.0 ? since : 1.0);
    double spread = filler->spread * 0.995;
    filler->spread = since < spread ? spread : since > QUIET_LAST ? QUIET_LAST : since;
    filler->sound_at = now;
    filler->inserted = 0;
    filler->usual = ahead;
    Py_CLEAR(filler->last);
    memcpy(filler->sound, sound, (size_t)length);
    filler->length = length;
}

/* media.g711.level */
static unsigned int
loudness_of(const FastPath *path, const unsigned char *sound, int length)
{
    int64_t sum = 0;
    for (int each = 0; each < length; each++)
        sum += path->squares[sound[each]];
    return (unsigned int)sqrt((double)sum / (double)length);
}

/* media.session.sent_levels.LEVELS */
static unsigned char
level_by(const FastPath *path, unsigned int loudness)
{
    return path->levels[loudness < LEVEL_COUNT ? loudness : LEVEL_COUNT - 1];
}

/* How much of the sound that waits is handed up with `length` bytes more in chunks of `size`; -1 if Python has to do it: too
 * much at once, or less than what waits because shorter chunks were ordered meanwhile. */
static int
ready_with(const FastPath *path, const Receiving *of, int length, int size)
{
    const Channel *channel = of->channel;
    const Playout *playout = hot(&of->session->playout);
    int total = channel->waiting + length;
    if (playout == NULL || hot(&of->session->sent_levels) == NULL || size < FRAME || size > CHUNK_MAX)
        return -1;
    if (total < size)
        return 0;
    int whole = total - total % size;
    long long position = playout->samples + playout->offset;
    if (whole < channel->waiting || whole > CHUNK_MAX || total - whole > CHUNK_MAX || position < 0 || position > UINT32_MAX ||
        playout->utterance < 0 || playout->utterance > UINT32_MAX || channel->number < 0 ||
        channel->number > UINT32_MAX || PyByteArray_Size(path->out) >= BACKLOG)
        return -1;
    return whole;
}

/* The same for the present order, and for sound that is an alert: nothing is known of its level before it is decrypted. */
static Ready
ready(const FastPath *path, const Receiving *of, int length, int behind)
{
    const Channel *channel = of->channel;
    int size = behind && channel->chunk_size < CHUNK ? CHUNK : channel->chunk_size;
    Ready both = {0, 0};
    if (!channel->heard)
        return both;
    both.usual = ready_with(path, of, length, size);
    both.alert = channel->alert <= 0 || behind ? both.usual : ready_with(path, of, length, FRAME);
    return both;
}

/* media.process.wire.sound, written at `at`: a message with the sound that waits and the beginning of `sound`. */
static void
write_message(Receiving *of, unsigned char *at, const unsigned char *sound, int whole, double now)
{
    Channel *channel = of->channel;
    const Playout *playout = hot(&of->session->playout);
    int frames = whole / FRAME;
    *at++ = SOUND;
    at = write32(at, (uint32_t)channel->number);
    at = write32(at, (uint32_t)(SOUND_SIZE + frames + whole));
    at = write_double(at, now);
    at = write32(at, (uint32_t)playout->utterance);
    at = write32(at, (uint32_t)(playout->samples + playout->offset));
    *at++ = (unsigned char)frames;
    at += take_levels(hot(&of->session->sent_levels), frames, at);
    memcpy(at, channel->chunk, (size_t)channel->waiting);
    memcpy(at + channel->waiting, sound, (size_t)(whole - channel->waiting));
}

/* Whether 20 ms of this are louder than sound that is brought at once, as in WorkerChannel._alerts. */
static int
alerts(const FastPath *path, const Channel *channel, const unsigned char *sound, int length)
{
    for (int at = 0; at < length; at += FRAME)
        if (level_by(path, loudness_of(path, sound + at, length - at < FRAME ? length - at : FRAME)) < channel->alert)
            return 1;
    return 0;
}

/* media.process.worker.Worker._hand_up and WorkerChannel.gather; 1, or -1 with an error if there is no memory. */
static int
hand_up(FastPath *path, Receiving *of, const unsigned char *sound, int length, Ready ready, double now)
{
    Channel *channel = of->channel;
    int whole = ready.usual;
    if (ready.alert > whole && alerts(path, channel, sound, length))
        whole = ready.alert;
    if (whole > 0) {
        Py_ssize_t size = PyByteArray_Size(path->out);
        if (PyByteArray_Resize(path->out, size + MESSAGE + SOUND_SIZE + whole / FRAME + whole) < 0)
            return -1;
        write_message(of, (unsigned char *)PyByteArray_AsString(path->out) + size, sound, whole, now);
        sound += whole - channel->waiting;
        length -= whole - channel->waiting;
        channel->waiting = 0;
    }
    memcpy(channel->chunk + channel->waiting, sound, (size_t)length);
    channel->waiting += length;
    return 1;
}

/* The packet without its encryption; NULL if it is not authentic or not new: Python finds the same, and counts it. */
static const unsigned char *
decrypted(FastPath *path, const Receiving *of, const Incoming *packet)
{
    int length = (int)packet->length;
    if (of->streams == NULL)
        return packet->data;
    memcpy(path->clear, packet->data, (size_t)length);
    if (!run_srtp(hot(&of->streams->context), path->clear, &length))
        return NULL;
    ((SrtpStream *)hot(&of->streams->heard))->last = read16(packet->data + 2);
    return path->clear;
}

/* Hand up what a packet brings; in a conference by Mixer.to_agent. -1 with an error if that failed. */
static int
hand_up_mixed(FastPath *path, Receiving *of, const unsigned char *sound, int length, Ready ready, double now)
{
    if (of->mixer == NULL)
        return hand_up(path, of, sound, length, ready, now);
    PyObject *own = PyBytes_FromStringAndSize((const char *)sound, length);
    PyObject *mixed = own == NULL ? NULL : PyObject_CallMethodObjArgs(of->mixer, path->agent_name, own, NULL);
    int done = -1;
    if (mixed != NULL && PyBytes_Check(mixed) && PyBytes_Size(mixed) == length)
        done = hand_up(path, of, (const unsigned char *)PyBytes_AsString(mixed), length, ready, now);
    else if (mixed != NULL)
        PyErr_SetString(PyExc_RuntimeError, "a conference changed the length of the sound");
    Py_XDECREF(own);
    Py_XDECREF(mixed);
    return done;
}

/* Take a packet of RTP; 0 if Python has to do it, with nothing changed; -1 with an error. What is not encrypted of SRTP is
 * looked at first, for what libsrtp has taken once it takes no more. */
static int
take_packet(FastPath *path, const Port *port, const Incoming *packet, double now, int behind)
{
    Receiving of;
    const unsigned char *data = packet->data;
    int size = (int)packet->length;
    if (size <= HEADER || data[0] != 0x80 || data[1] > 127 || !find_receiving(port->channel, &of) ||
        data[1] != (of.agreed->received & 0xFF) || of.agreed->received < 0)
        return 0;
    int shown = size, length = size - HEADER - (of.streams == NULL ? 0 : of.streams->overhead);
    if (length < 1 || length > SOUND_MAX)
        return 0;
    if (of.channel->tap.any != Py_None && of.streams != NULL) {
        const Tap *tap = hot(&of.channel->tap);
        if (tap != NULL && tap->clear)
            shown = HEADER + length;
    }
    uint16_t sequence = read16(data + 2);
    uint32_t timestamp = read32(data + 4);
    int step = (int)((sequence - of.received->highest) & 0xFFFF);
    if (of.inbound->ssrc != read32(data + 8) || step >= MAX_DROPOUT ||
        sequence != (of.jitter->sequence & 0xFFFF) || timestamp != (of.jitter->timestamp & 0xFFFFFFFF) ||
        !find_place(of.source, port) || !is_from(of.source, &packet->from) ||
        (of.listener != NULL && !can_put(of.listener, sequence, timestamp, length)) ||
        !make_record(path, of.channel, of.source, shown, now, &of.record))
        return 0;
    Ready whole = ready(path, &of, length, behind);
    if (whole.usual < 0 || whole.alert < 0)
        return 0;
    const unsigned char *clear = decrypted(path, &of, packet);
    if (clear == NULL)
        return 0;
    keep(&of.record, shown < size ? clear : data, shown, now, 0);
    of.source->last = of.inbound->ssrc << 16 | sequence;
    of.source->at = of.inbound->heard_at = now;
    count_received(of.received, step, timestamp, now);
    unsigned char translated[SOUND_MAX];
    const unsigned char *sound = clear + HEADER;
    if (of.agreed->received & ALAW) {
        for (int each = 0; each < length; each++)
            translated[each] = path->to_ulaw[sound[each]];
        sound = translated;
    }
    if (of.listener != NULL)
        put_relayed(of.listener, sequence, timestamp, sound, length, now);
    put_sound(&of, sound, length, now);
    return of.channel->heard ? hand_up_mixed(path, &of, sound, length, whole, now) : 1;
}

/* The sender of a packet as Python's sockets tell it; NULL with an error. */
static PyObject *
sender_of(const Port *port, const Place *from)
{
    char text[NI_MAXHOST];
    const char *host = text;
    if (from->any.sa_family == AF_INET) {
        if (inet_ntop(AF_INET, &from->v4.sin_addr, text, sizeof text) == NULL)
            return PyErr_SetFromErrno(PyExc_OSError);
        return Py_BuildValue("(si)", text, (int)ntohs(from->v4.sin_port));
    }
    if (from->any.sa_family != AF_INET6 ||
        getnameinfo(&from->any, sizeof from->v6, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0) {
        PyErr_SetString(PyExc_OSError, "a packet without a sender");
        return NULL;
    }
    if (port->dual && strncmp(text, "::ffff:", 7) == 0 && strchr(text, '.') != NULL)
        host += 7;
    return Py_BuildValue("(si)", host, (int)ntohs(from->v6.sin6_port));
}

static int
append(PyObject *list, PyObject *item)
{
    int failed = item == NULL || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return failed ? -1 : 0;
}

/* Read one packet of each of these descriptors; the GIL is not held. */
static void
read_packets(Incoming *packets, int count)
{
    for (Incoming *one = packets; one < packets + count; one++) {
        socklen_t length = sizeof one->from;
        memset(&one->from, 0, sizeof one->from);
        do
            one->length = recvfrom(one->fd, one->data, sizeof one->data, MSG_DONTWAIT, &one->from.any, &length);
        while (one->length < 0 && errno == EINTR);
    }
}

/* Put the present error into `left`: Python raises it within the boundary of that call, and the others go on. */
static int
append_error(PyObject *left, int fd)
{
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    int failed = append(left, Py_BuildValue("(iOO)", fd, error, Py_None));
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
    return failed;
}

/* Read and take a packet of each of the `count` descriptors; what Python has to do is put into `left`. */
static int
take_packets(FastPath *path, int count, double now, int behind, PyObject *left)
{
    Py_BEGIN_ALLOW_THREADS
    read_packets(path->incoming, count);
    Py_END_ALLOW_THREADS
    for (const Incoming *one = path->incoming; one < path->incoming + count; one++) {
        if (one + 1 < path->incoming + count)
            __builtin_prefetch(path->ports[one[1].fd].channel);
        const Port port = path->ports[one->fd]; /* a copy: Tap.ready runs Python, which may change the table */
        if (one->length < 0 || port.channel == NULL) /* an ICMP error of an earlier packet, or closed meanwhile */
            continue;
        Py_INCREF((PyObject *)port.channel);
        int taken = take_packet(path, &port, one, now, behind);
        Py_DECREF((PyObject *)port.channel);
        if (taken < 0 && append_error(left, one->fd) < 0)
            return -1;
        if (taken)
            continue;
        PyObject *sender = sender_of(&port, &one->from);
        if (sender == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_OSError))
                return -1;
            PyErr_Clear(); /* Worker._receive drops such a packet, too; it must not end the other calls */
            continue;
        }
        if (append(left, Py_BuildValue("(iy#N)", one->fd, (const char *)one->data, (Py_ssize_t)one->length, sender)) < 0)
            return -1;
    }
    return 0;
}

static int
enter(FastPath *path)
{
    if (path->out == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the packet path was not set up");
        return -1;
    }
    if (path->busy) {
        PyErr_SetString(PyExc_RuntimeError, "the packet path is in use");
        return -1;
    }
    path->busy = 1;
    return 0;
}

static PyObject *
path_receive(PyObject *self, PyObject *args)
{
    FastPath *path = (FastPath *)self;
    double now;
    int behind, ready, error = 0, failed = 0, count = 0;
    if (!PyArg_ParseTuple(args, "dp", &now, &behind) || enter(path) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    ready = epoll_wait(path->epoll, path->ready, READY, 0);
    error = ready < 0 ? errno : 0;
    Py_END_ALLOW_THREADS
    PyObject *left = ready > 0 ? PyList_New(0) : NULL;
    for (int each = 0; left != NULL && each < ready && !failed; each++) {
        int fd = path->ready[each].data.fd;
        if (fd >= 0 && fd < path->port_count && path->ports[fd].channel != NULL)
            path->incoming[count++].fd = fd;
        else
            failed = append(left, Py_BuildValue("(iOO)", fd, Py_None, Py_None)) < 0;
        if (count == BATCH || (count && each + 1 == ready)) {
            failed = failed || take_packets(path, count, now, behind, left) < 0;
            count = 0;
        }
    }
    path->busy = 0;
    if (error != 0 && error != EINTR) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (ready <= 0)
        Py_RETURN_NONE;
    if (failed)
        Py_CLEAR(left);
    return left;
}

/* --- out --- */

typedef struct {
    RtpSession *session;
    Agreed *agreed;
    RtpSender *sender;
    Playout *playout;
    SentLevels *levels;
    Source *source;
    SrtpContext *context; /* NULL if the call is not encrypted */
    PlayoutJitterBuffer *relay; /* of which sound is sent in place of the agent's; NULL for none */
    PyObject *other;            /* another source of such sound, or of a conference; NULL for none */
    Record record;
} Sending;

/* Whether nothing but the sound of the agent, of a bridge or of a conference is to be sent in slot number `slot`, and
 * nothing else is due. */
static int
find_sending(FastPath *path, Channel *channel, const Port *port, long long slot, double now, Sending *of)
{
    RtpSession *session = of->session = hot(&channel->session);
    Agreed *agreed = of->agreed = session == NULL ? NULL : hot(&session->agreed);
    if (agreed == NULL || agreed->sent < 0 || session->recording != Py_None || session->live != Py_None ||
        session->relay.any == NULL || !find_sender(session, &of->context))
        return 0;
    of->relay = hot(&session->relay);
    of->other = of->relay != NULL || session->relay.any == Py_None ? NULL : session->relay.any;
    RtpSender *sender = of->sender = hot(&session->sender);
    DigitSender *digits = hot(&session->digits);
    of->playout = hot(&session->playout);
    of->levels = hot(&session->sent_levels);
    Inbound *inbound = hot(&session->inbound);
    if (sender == NULL || sender->first || sender->slot < 0 || slot != sender->slot + 1 || digits == NULL ||
        digits->active || of->playout == NULL || of->levels == NULL || inbound == NULL)
        return 0;
    Backdrop *backdrop = hot(&of->levels->backdrop);
    JitterBuffer *jitter = hot(&inbound->jitter);
    of->source = hot(&inbound->source);
    if (backdrop == NULL || backdrop->ambience != Py_None || backdrop->thinking != Py_None || jitter == NULL ||
        jitter->waiting == NULL || !PyDict_Check(jitter->waiting) || PyDict_Size(jitter->waiting) != 0 ||
        of->source == NULL)
        return 0;
    GapFiller *filler = hot(&jitter->filler); /* JitterBuffer.poll would put out nothing */
    return filler != NULL && filler->in_step && (filler->sound_at == 0.0 || now - filler->sound_at < QUIET_FIRST) &&
           find_place(of->source, port) &&
           make_record(path, channel, of->source, HEADER + FRAME + OVERHEAD_MAX, now, &of->record);
}

/* The frame in the middle of a queued piece, or silence if nothing is queued: a new reference to the object that it lies
 * in, and `at` is its first byte. NULL without an error if Playout.take has to find it. */
static PyObject *
next_frame(FastPath *path, Playout *playout, const unsigned char **at)
{
    if (playout->queue == NULL || playout->edge != Py_None)
        return NULL;
    Py_ssize_t queued = PySequence_Size(playout->queue);
    if (!playout->sounding && queued == 0 && playout->finished <= playout->told) {
        *at = (const unsigned char *)PyBytes_AsString(path->silence);
        Py_INCREF(path->silence);
        return path->silence;
    }
    PyObject *head = playout->sounding && queued > 0 && !playout->paused ? PySequence_GetItem(playout->queue, 0) : NULL;
    PyObject *sound = NULL;
    if (head != NULL && PyTuple_Check(head) && PyTuple_Size(head) == 2) {
        long long utterance = PyLong_AsLongLong(PyTuple_GetItem(head, 0));
        PyObject *piece = PyTuple_GetItem(head, 1);
        if (utterance == playout->utterance && PyBytes_Check(piece) && playout->offset >= 0 &&
            playout->offset < PyBytes_Size(piece) - FRAME) {
            Py_INCREF(piece);
            sound = piece;
            *at = (const unsigned char *)PyBytes_AsString(piece) + playout->offset;
            playout->offset += FRAME;
        }
    }
    Py_XDECREF(head);
    PyErr_Clear();
    return sound;
}

/* The frame that Python has `taken`, with its marks or alone: a new reference, for which that of `taken` is given. `marks`
 * gets a new reference if there are any. NULL without an error if it is none: the worker takes it again, and tells what is
 * wrong. */
static PyObject *
frame_of(PyObject *taken, const unsigned char **at, PyObject **marks)
{
    int pair = taken != NULL && PyTuple_Check(taken) && PyTuple_Size(taken) == 2;
    PyObject *sound = pair ? PyTuple_GetItem(taken, 0) : taken, *frame = NULL;
    if (sound != NULL && PyBytes_Check(sound) && PyBytes_Size(sound) == FRAME) {
        Py_INCREF(sound);
        frame = sound;
        *at = (const unsigned char *)PyBytes_AsString(sound);
        PyObject *found = pair ? PyTuple_GetItem(taken, 1) : NULL;
        if (found != NULL && PySequence_Size(found) > 0) {
            Py_INCREF(found);
            *marks = found;
        }
    }
    Py_XDECREF(taken);
    PyErr_Clear();
    return frame;
}

/* The same by Playout.take: at the beginning and the end of a piece. */
static PyObject *
taken_frame(FastPath *path, Playout *playout, const unsigned char **at, PyObject **marks)
{
    return frame_of(PyObject_CallMethodObjArgs((PyObject *)playout, path->take_name, NULL), at, marks);
}

/* The frame of a conference by Mixer.next, or of any other source by its `take`. */
static PyObject *
joined_frame(FastPath *path, const Sending *of, double now, const unsigned char **at, PyObject **marks)
{
    PyObject *time = PyFloat_FromDouble(now), *taken = NULL;
    if (time != NULL && is_mixer(of->other))
        taken = PyObject_CallMethodObjArgs(of->other, path->next_name, (PyObject *)of->playout, time, NULL);
    else if (time != NULL)
        taken = PyObject_CallMethodObjArgs(of->other, path->take_name, time, NULL);
    Py_XDECREF(time);
    return frame_of(taken, at, marks);
}

/* The next frame of a call: of a bridge or a conference, or of the agent. `held` gets a new reference to the object that it
 * lies in, NULL for none; `level` is that of media.session.sent_levels. 0 if Python has to do it. */
static int
find_frame(FastPath *path, const Sending *of, double now, const unsigned char **frame, PyObject **held,
           unsigned char *level, PyObject **marks)
{
    *held = NULL;
    if (of->relay != NULL) {
        if (!take_relayed(of->relay, now, path->relayed))
            return 0;
        *frame = path->relayed;
    } else if (of->other != NULL) {
        *held = joined_frame(path, of, now, frame, marks);
        if (*held == NULL)
            return 0;
    } else {
        *held = next_frame(path, of->playout, frame);
        if (*held == NULL)
            *held = taken_frame(path, of->playout, frame, marks);
        if (*held == NULL)
            return 0;
    }
    *level = LEVEL_SILENT;
    if (*held != path->silence) {
        unsigned int mean = loudness_of(path, *frame, FRAME);
        *level = level_by(path, mean);
        if (of->relay != NULL)
            of->relay->level = mean;
    }
    return 1;
}

/* Make the packet of a call in slot number `slot`; 0 if Python has to do it, with nothing changed (Playout.take changes
 * something only if it gives a frame). If libsrtp refuses to encrypt, that frame is lost: Python is refused as well, which
 * ends the call. */
static int
make_packet(FastPath *path, Channel *channel, int fd, long long slot, double now, Outgoing *out, PyObject **marks)
{
    Sending of;
    PyObject *sound;
    unsigned char level;
    const unsigned char *frame;
    const Port *port = path->ports + fd;
    if (!find_sending(path, channel, port, slot, now, &of))
        return 0;
    if (!find_frame(path, &of, now, &frame, &sound, &level, marks))
        return 0;
    out->data[0] = 0x80;
    out->data[1] = (unsigned char)(of.agreed->sent & 0x7F);
    out->data[2] = (unsigned char)(of.sender->sequence >> 8);
    out->data[3] = (unsigned char)of.sender->sequence;
    write32(write32(out->data + 4, (uint32_t)of.sender->timestamp), (uint32_t)of.sender->ssrc);
    if (of.agreed->sent & ALAW)
        for (int each = 0; each < FRAME; each++)
            out->data[HEADER + each] = path->to_alaw[frame[each]];
    else
        memcpy(out->data + HEADER, frame, FRAME);
    out->size = HEADER + FRAME;
    if (of.context != NULL && !run_srtp(of.context, out->data, &out->size)) {
        Py_XDECREF(sound);
        Py_CLEAR(*marks);
        return 0;
    }
    push_level(of.levels, level);
    Py_XDECREF(sound);
    of.sender->slot = slot;
    of.sender->sequence++;
    of.sender->timestamp += FRAME;
    out->fd = fd;
    out->place = of.source->place;
    out->length = of.source->length;
    Py_INCREF((PyObject *)channel);
    out->channel = channel;
    return 1;
}

/* The packet was not sent: unreachable, or no buffer was free. */
static void
count_skipped(Channel *channel)
{
    RtpSession *session = hot(&channel->session);
    PyObject *counts = session == NULL ? NULL : PyObject_GetAttrString((PyObject *)session, "counts");
    PyObject *before = counts == NULL ? NULL : PyObject_GetAttrString(counts, "skipped");
    long long number = before == NULL ? -1 : PyLong_AsLongLong(before);
    PyObject *after = number < 0 || number == LLONG_MAX ? NULL : PyLong_FromLongLong(number + 1);
    if (after != NULL)
        PyObject_SetAttrString(counts, "skipped", after);
    Py_XDECREF(after);
    Py_XDECREF(before);
    Py_XDECREF(counts);
    PyErr_Clear();
}

/* Send the packets that were made, and keep them for captures. */
static void
send_packets(FastPath *path, int count, double now)
{
    Outgoing *last = path->outgoing + count;
    PyObject *type, *value, *trace;
    if (count == 0)
        return;
    PyErr_Fetch(&type, &value, &trace); /* an error of the caller outlives those that are cleared here */
    Py_BEGIN_ALLOW_THREADS
    for (Outgoing *one = path->outgoing; one < last; one++) {
        ssize_t sent;
        do
            sent = sendto(one->fd, one->data, (size_t)one->size, MSG_DONTWAIT, &one->place.any, one->length);
        while (sent < 0 && errno == EINTR);
        one->failed = sent < 0;
    }
    Py_END_ALLOW_THREADS
    for (Outgoing *one = path->outgoing; one < last; one++) {
        const RtpSession *session = hot(&one->channel->session);
        const Inbound *inbound = session == NULL ? NULL : hot(&session->inbound);
        const Source *source = inbound == NULL ? NULL : hot(&inbound->source);
        Record record;
        if (one->failed)
            count_skipped(one->channel);
        if (source != NULL && find_record(one->channel, source, one->size, now, &record))
            keep(&record, one->data, one->size, now, TAP_OUT);
        Py_CLEAR(one->channel);
    }
    PyErr_Restore(type, value, trace);
}

/* The descriptor of a call's sound; -1 if the worker did not give it to us. */
static int
descriptor_of(const FastPath *path, PyObject *channel)
{
    if (!PyObject_TypeCheck(channel, channel_type()))
        return -1;
    int fd = ((Channel *)channel)->fd;
    return fd >= 0 && fd < path->port_count && (PyObject *)path->ports[fd].channel == channel ? fd : -1;
}

/* Whether a call may be a side of a conference. */
static int
is_joined(const Channel *channel)
{
    const RtpSession *session = hot(&channel->session);
    return session != NULL && session->relay.any != Py_None && hot(&session->relay) == NULL;
}

static PyObject *
path_send(PyObject *self, PyObject *args)
{
    FastPath *path = (FastPath *)self;
    PyObject *channels;
    long long slot;
    double now;
    int made = 0, failed = 0, waits = 0; /* `waits`: Python does a side of a conference, the other comes after it */
    if (!PyArg_ParseTuple(args, "OLd", &channels, &slot, &now))
        return NULL;
    if (!PyList_Check(channels)) {
        PyErr_SetString(PyExc_TypeError, "channels must be a list");
        return NULL;
    }
    PyObject *left = PyList_New(0);
    if (left == NULL || enter(path) < 0) {
        Py_XDECREF(left);
        return NULL;
    }
    for (Py_ssize_t each = 0; each < PyList_Size(channels) && !failed; each++) {
        PyObject *one = PyList_GetItem(channels, each), *marks = NULL;
        if (each + 1 < PyList_Size(channels))
            __builtin_prefetch(PyList_GetItem(channels, each + 1)); /* calls are cold: 20 ms ago they were used last */
        int fd = descriptor_of(path, one);
        Py_INCREF(one); /* Playout.take runs Python */
        int joined = fd >= 0 && is_joined((Channel *)one);
        if (fd < 0 || (joined && waits) ||
            !make_packet(path, (Channel *)one, fd, slot, now, path->outgoing + made, &marks)) {
            waits |= joined;
            failed = append(left, Py_BuildValue("(OO)", one, Py_None)) < 0;
        } else {
            made++;
            if (marks != NULL || now >= ((Channel *)one)->watch_at)
                failed = append(left, Py_BuildValue("(OO)", one, marks != NULL ? marks : path->none)) < 0;
            Py_XDECREF(marks);
        }
        Py_DECREF(one);
        if (made == BATCH) {
            send_packets(path, made, now);
            made = 0;
        }
    }
    send_packets(path, made, now);
    path->busy = 0;
    if (failed)
        Py_CLEAR(left);
    return left;
}

/* --- the object --- */

static PyObject *
path_add(PyObject *self, PyObject *args)
{
    FastPath *path = (FastPath *)self;
    int fd, dual;
    PyObject *channel;
    Place bound;
    socklen_t length = sizeof bound;
    if (!PyArg_ParseTuple(args, "iO!p", &fd, channel_type(), &channel, &dual))
        return NULL;
    if (fd < 0 || getsockname(fd, &bound.any, &length) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    if (fd >= path->port_count) {
        int count = fd + 256;
        Port *ports = PyMem_Realloc(path->ports, (size_t)count * sizeof *ports);
        if (ports == NULL)
            return PyErr_NoMemory();
        memset(ports + path->port_count, 0, (size_t)(count - path->port_count) * sizeof *ports);
        path->ports = ports;
        path->port_count = count;
    }
    PyObject *before = (PyObject *)path->ports[fd].channel;
    Py_INCREF(channel);
    path->ports[fd] = (Port){(Channel *)channel, (char)(dual != 0), bound.any.sa_family};
    ((Channel *)channel)->fd = fd;
    Py_XDECREF(before); /* may run Python, which must not find it in the table */
    Py_RETURN_NONE;
}

static PyObject *
path_remove(PyObject *self, PyObject *value)
{
    FastPath *path = (FastPath *)self;
    long fd = PyLong_AsLong(value);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    if (fd >= 0 && fd < path->port_count)
        Py_CLEAR(path->ports[fd].channel);
    Py_RETURN_NONE;
}

static int
path_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    FastPath *path = (FastPath *)self;
    PyObject *waiter, *out, *silence;
    const char *linear, *levels, *to_alaw, *to_ulaw;
    Py_ssize_t linears, level_count, alaws, ulaws;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "OO!O!(y#y#)(y#y#)", &waiter, &PyByteArray_Type, &out, &PyBytes_Type, &silence,
                          &linear, &linears, &levels, &level_count, &to_alaw, &alaws, &to_ulaw, &ulaws))
        return -1;
    if (path->out != NULL || PyBytes_Size(silence) != FRAME || linears != 512 || level_count != LEVEL_COUNT ||
        alaws != 256 || ulaws != 256) {
        PyErr_SetString(PyExc_ValueError, "a table of another length");
        return -1;
    }
    path->epoll = PyObject_AsFileDescriptor(waiter);
    path->take_name = PyUnicode_InternFromString("take");
    path->next_name = PyUnicode_InternFromString("next");
    path->agent_name = PyUnicode_InternFromString("to_agent");
    path->ready_name = PyUnicode_InternFromString("ready");
    path->none = PyTuple_New(0);
    if (path->take_name == NULL || path->next_name == NULL || path->agent_name == NULL || path->ready_name == NULL ||
        path->none == NULL || path->epoll < 0)
        return -1;
    Py_INCREF(waiter);
    path->waiter = waiter;
    Py_INCREF(out);
    path->out = out;
    Py_INCREF(silence);
    path->silence = silence;
    memcpy(path->levels, levels, LEVEL_COUNT);
    memcpy(path->to_alaw, to_alaw, 256);
    memcpy(path->to_ulaw, to_ulaw, 256);
    for (int each = 0; each < 256; each++) { /* 16 bits, little-endian */
        int value = (unsigned char)linear[2 * each] | (signed char)linear[2 * each + 1] * 256;
        path->squares[each] = (int64_t)value * value;
    }
    return 0;
}

static int
path_traverse(PyObject *self, visitproc visit, void *arg)
{
    FastPath *path = (FastPath *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(path->out);
    for (int each = 0; each < path->port_count; each++)
        Py_VISIT((PyObject *)path->ports[each].channel);
    return 0;
}

static int
path_clear(PyObject *self)
{
    FastPath *path = (FastPath *)self;
    for (int each = 0; each < path->port_count; each++)
        Py_CLEAR(path->ports[each].channel);
    return 0;
}

static void
path_free(PyObject *self)
{
    FastPath *path = (FastPath *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    path_clear(self);
    PyMem_Free(path->ports);
    Py_CLEAR(path->waiter);
    Py_CLEAR(path->out);
    Py_CLEAR(path->silence);
    Py_CLEAR(path->take_name);
    Py_CLEAR(path->next_name);
    Py_CLEAR(path->agent_name);
    Py_CLEAR(path->ready_name);
    Py_CLEAR(path->none);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMemberDef path_members[] = {
    {"epoll", T_OBJECT_EX, offsetof(FastPath, waiter), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef path_methods[] = {
    {"add", path_add, METH_VARARGS, "Take the packets of this descriptor for a call."},
    {"remove", path_remove, METH_O, "Take no more packets of this descriptor."},
    {"receive", path_receive, METH_VARARGS, "Read what has come; returns what Python has to do, None if nothing has."},
    {"send", path_send, METH_VARARGS, "Send the packets of a slot; returns what Python has to do."},
    {NULL, NULL, 0, NULL},
};

int
add_path(PyObject *module)
{
    PyType_Slot slots[] = {
        {Py_tp_init, (void *)path_init}, {Py_tp_methods, path_methods}, {Py_tp_members, path_members}, {Py_tp_traverse, (void *)path_traverse},
        {Py_tp_clear, (void *)path_clear}, {Py_tp_dealloc, (void *)path_free}, {0, NULL},
    };
    PyType_Spec spec = {"media.fast._fast.FastPath", sizeof(FastPath), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                        slots};
    PyObject *type = PyType_FromSpec(&spec);
    int failed = type == NULL || PyModule_AddObjectRef(module, "FastPath", type) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}
