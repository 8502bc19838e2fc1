/* The state of the packet path, shared with Python: each struct is the base of the Python class of the same name, whose
 * slots in `fallback.py` are its members here. Python and C read and write the same fields, so none is ever copied over. */
#ifndef SIPGW_FAST_STATE_H
#define SIPGW_FAST_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    FRAME = 160,        /* samples of 20 ms: media.g711.FRAME */
    CHUNK = 800,        /* media.process.worker_channel.CHUNK, and CHUNK_MAX of it: */
    CHUNK_MAX = 2400,
    HEADER = 12,        /* bytes of an RTP header without sources and extension */
    PACKET_MAX = 1500,  /* media.rtp.packet.MAX_PACKET */
    SOUND_MAX = 480,    /* bytes of sound in one packet that C takes (60 ms) */
    LEVELS_KEPT = 50,   /* media.session.sent_levels.KEPT */
    TRAILER_MAX = 144,  /* bytes that srtp_protect may need behind a packet: SRTP_MAX_TRAILER_LEN */
    OVERHEAD_MAX = 16,  /* bytes that it adds with any suite of media.rtp.srtp.PROFILES */
    LEVELS_SPARE = 1,   /* media.session.sent_levels.SPARE */
    LEVEL_SILENT = 127, /* media.session.sent_levels.SILENT */
    ALAW = 256,         /* media.session.session.ALAW */
    SOUND_BLOCK = 80,         /* media.jitter.playout_buffer.BLOCK, and others of it: */
    DEPTH = 200,
    BINS = 60,
    MEMORY = 280,       /* media.jitter.plc.MEMORY */
    QUIET_LEVEL = 300,  /* media.g711.QUIET_LEVEL */
    MAX_DROPOUT = 3000, /* media.rtp.receiver_stats.MAX_DROPOUT */
};
#define RATE 8000.0      /* media.g711.RATE */
#define SKEW 0.001       /* media.jitter.buffer.SKEW */
#define LEAD 10.0        /* media.jitter.buffer.LEAD */
#define QUIET_FIRST 0.060 /* media.jitter.gap_filler.QUIET_WAIT */
#define QUIET_LAST 0.200
#define FRAME_SECONDS 0.020 /* media.g711.FRAME_SECONDS */
#define WINDOW 1.0       /* media.jitter.playout_buffer.WINDOW, and others of it: */
#define BIN 0.005
#define QUANTILE 0.97
#define FORGET 0.998
#define SLACK 0.005
#define HOLD 1.0         /* media.jitter.hold.HOLD */
#define BACKLOG (8 << 20) /* media.process.worker.BACKLOG */

/* An object of the packet path that another one refers to. `hot` is the same object if it is of the C type that belongs
 * there, else NULL. */
typedef struct {
    PyObject *any;
    void *hot;
} Ref;

/* What `ref` refers to; NULL if it was not set or cleared, or is of another type: then C leaves the call to Python. */
static inline void *
hot(const Ref *ref)
{
    return (void *)ref->any == ref->hot ? ref->hot : NULL;
}

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} Place;

typedef struct {
    PyObject_HEAD
    PyObject *address;
    double at;
    long long last;
    char settled;
    PyObject *known; /* the address that `place` was made of, for sockets of the family `known_family` */
    int known_family;
    socklen_t length; /* of `place`; 0 if C cannot tell it */
    Place place;
} Source;

typedef struct {
    PyObject_HEAD
    double transit, jitter;
    long long highest, packets;
} ReceiverStats;

typedef struct {
    PyObject_HEAD
    long long received;
    double longest_stall;
} JitterStats;

typedef struct {
    PyObject_HEAD
    double sound_at, spread, usual;
    long long inserted;
    char in_step;
    int length;     /* of `sound` */
    PyObject *last; /* the last sound if it is longer than `sound` has room for, else NULL */
    unsigned char sound[SOUND_MAX];
} GapFiller;

typedef struct {
    PyObject_HEAD
    Ref stats, filler;
    PyObject *waiting, *begins_with;
    long long sequence, timestamp;
    double heard_at, sound_at, ahead;
} JitterBuffer;

typedef struct {
    PyObject_HEAD
    long long played;
} PlayoutJitterStats;

typedef struct {
    PyObject_HEAD
    long long sequence, timestamp, position, length;
    double arrived;
} StreamPositions;

typedef struct {
    PyObject_HEAD
    PyObject *weights; /* an array of `BINS` doubles */
    double fastest, target, recent, earlier, turned, seen, weight, late;
    long long packets;
} Delays;

typedef struct {
    PyObject_HEAD
    PyObject *repeated;
    unsigned char past[MEMORY];
} Concealment;

typedef struct {
    PyObject_HEAD
    Ref stats, stream, delays, concealment;
    PyObject *blocks; /* 10 ms each, by position */
    long long at, bridged, level;
} PlayoutJitterBuffer;

typedef struct {
    PyObject_HEAD
} Mixer;

typedef struct {
    PyObject_HEAD
    Ref source, received, jitter, listener;
    PyObject *tones, *next;
    long long ssrc;
    double heard_at;
    char fresh;
} Inbound;

typedef struct {
    PyObject_HEAD
    long long slot, ssrc, sequence, timestamp;
    char first;
} RtpSender;

typedef struct {
    PyObject_HEAD
    PyObject *queue, *edge;
    long long utterance, samples, offset, finished, told;
    char paused, sounding;
} Playout;

typedef struct {
    PyObject_HEAD
    char active;
} DigitSender;

typedef struct {
    PyObject_HEAD
    PyObject *ambience, *thinking;
} Backdrop;

typedef struct {
    PyObject_HEAD
    Ref backdrop;
    int count;
    unsigned char levels[LEVELS_KEPT];
} SentLevels;

typedef struct {
    PyObject_HEAD
    PyObject *data, *addresses;
    long long length;
} Block;

typedef struct {
    PyObject_HEAD
    Ref block;
    double until;
    long long full; /* bytes above which a block is full */
    char muted, headers, clear;
} Tap;

typedef struct {
    PyObject_HEAD
    int sent, received; /* the payload type, with ALAW if it is that; -1 for none */
} Agreed;

/* A session of libsrtp, and the function of the library that Python calls with it: their addresses, 0 if not known. */
typedef struct {
    PyObject_HEAD
    long long context, function;
} SrtpContext;

typedef struct {
    PyObject_HEAD
    long long ssrc, last;
} SrtpStream;

typedef struct {
    PyObject_HEAD
    Ref context, heard;
    int overhead; /* bytes that a packet is longer than in clear; -1 if Python has to take off more than libsrtp does */
} SrtpStreams;

typedef struct {
    PyObject_HEAD
    Ref sender, sound;
} Srtp;

typedef struct {
    PyObject_HEAD
    Ref agreed, inbound, playout, digits, sent_levels, sender, srtp, relay;
    PyObject *recording, *live;
} RtpSession;

typedef struct {
    PyObject_HEAD
    Ref session, tap;
    double watch_at;
    long long number;
    int chunk_size, alert, waiting; /* `waiting`: bytes of `chunk` */
    int fd;                  /* descriptor of its sound, set by FastPath.add; of use only if FastPath has it, too */
    char heard;
    unsigned char chunk[CHUNK_MAX];
} Channel;

int add_types(PyObject *module);
PyTypeObject *channel_type(void);
int is_mixer(PyObject *relay);
int take_levels(SentLevels *queue, int frames, unsigned char *levels);
void push_level(SentLevels *queue, unsigned char level);
int can_put(const PlayoutJitterBuffer *buffer, uint16_t sequence, uint32_t timestamp, int length);
void put_relayed(PlayoutJitterBuffer *buffer, uint16_t sequence, uint32_t timestamp, const unsigned char *sound, int length,
                  double now);
int take_relayed(PlayoutJitterBuffer *buffer, double now, unsigned char *frame);
int add_path(PyObject *module);

#endif
