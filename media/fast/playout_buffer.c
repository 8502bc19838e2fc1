/* The jitter buffer for a person who listens, for packets in order: media.jitter.playout_buffer. */
#include "state.h"

#include <string.h>

/* Whether Python would only lay the sound of this packet beside the others. */
int
can_put(const PlayoutJitterBuffer *buffer, uint16_t sequence, uint32_t timestamp, int length)
{
    const StreamPositions *stream = hot(&buffer->stream);
    const Delays *delays = hot(&buffer->delays);
    if (stream == NULL || delays == NULL || delays->weights == NULL || stream->sequence < 0 || buffer->blocks == NULL ||
        !PyDict_Check(buffer->blocks) || PyDict_Size(buffer->blocks) + length / SOUND_BLOCK > DEPTH)
        return 0;
    int32_t passed = (int32_t)(timestamp - (uint32_t)stream->timestamp);
    return sequence == ((stream->sequence + 1) & 0xFFFF) && passed > 0 && passed == stream->length &&
           stream->position + (passed + SOUND_BLOCK / 2) / SOUND_BLOCK * SOUND_BLOCK >= buffer->at;
}

/* Delays._update */
static void
update_target(Delays *delays, double *weights)
{
    double sum = 0.0;
    if (delays->weight > 1e6) {
        for (int each = 0; each < BINS; each++)
            weights[each] /= delays->weight;
        delays->weight = 1.0;
    }
    for (int each = 0; each < BINS; each++)
        sum += weights[each];
    double room = (1 - QUANTILE) * sum;
    int place = BINS;
    while (place > 0 && room >= 0)
        room -= weights[--place];
    double target = (place + 1) * BIN;
    delays->target = delays->late > target ? delays->late : target;
}

/* Delays.add */
static void
add_delay(Delays *delays, double transit, double now)
{
    Py_buffer weights;
    if (now - delays->seen >= HOLD)
        delays->recent = delays->earlier = transit;
    else if (now - delays->turned >= WINDOW) {
        delays->earlier = delays->recent;
        delays->recent = transit;
        delays->turned = now;
    }
    delays->seen = now;
    if (transit < delays->recent)
        delays->recent = transit;
    delays->fastest = delays->earlier < delays->recent ? delays->earlier : delays->recent;
    if (PyObject_GetBuffer(delays->weights, &weights, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        return;
    }
    double bin = (transit - delays->fastest) / BIN;
    if (weights.len == BINS * (Py_ssize_t)sizeof(double)) {
        ((double *)weights.buf)[bin < BINS - 1 ? (int)bin : BINS - 1] += delays->weight;
        delays->weight /= FORGET;
        delays->late *= 0.9995;
        if (++delays->packets % 10 == 0)
            update_target(delays, weights.buf);
    }
    PyBuffer_Release(&weights);
}

/* PlayoutJitterBuffer.put, of a packet that `can_put` has looked at. */
void
put_relayed(PlayoutJitterBuffer *buffer, uint16_t sequence, uint32_t timestamp, const unsigned char *sound, int length,
            double now)
{
    StreamPositions *stream = hot(&buffer->stream);
    stream->position += (stream->length + SOUND_BLOCK / 2) / SOUND_BLOCK * SOUND_BLOCK;
    stream->sequence = sequence;
    stream->timestamp = timestamp;
    stream->length = length;
    stream->arrived = now;
    add_delay(hot(&buffer->delays), now - (double)stream->position / RATE, now);
    for (int start = 0; start + SOUND_BLOCK <= length; start += SOUND_BLOCK) {
        PyObject *place = PyLong_FromLongLong(stream->position + start);
        PyObject *block = PyBytes_FromStringAndSize((const char *)sound + start, SOUND_BLOCK);
        if (place == NULL || block == NULL || PyDict_SetItem(buffer->blocks, place, block) < 0)
            PyErr_Clear(); /* no memory: this block is lost */
        Py_XDECREF(place);
        Py_XDECREF(block);
    }
}

/* The block at `place`, borrowed; NULL if there is none. */
static PyObject *
block_at(const PlayoutJitterBuffer *buffer, PyObject *place)
{
    PyObject *block = place == NULL ? NULL : PyDict_GetItemWithError(buffer->blocks, place);
    return block != NULL && PyBytes_Check(block) && PyBytes_Size(block) == SOUND_BLOCK ? block : NULL;
}

/* Take the frame at `buffer->at`; 0 if a part of it is missing. */
static int
take_blocks(PlayoutJitterBuffer *buffer, unsigned char *frame)
{
    PyObject *one = PyLong_FromLongLong(buffer->at), *other = PyLong_FromLongLong(buffer->at + SOUND_BLOCK);
    PyObject *first = block_at(buffer, one), *second = first == NULL ? NULL : block_at(buffer, other);
    int taken = second != NULL;
    if (taken) {
        memcpy(frame, PyBytes_AsString(first), SOUND_BLOCK);
        memcpy(frame + SOUND_BLOCK, PyBytes_AsString(second), SOUND_BLOCK);
        PyDict_DelItem(buffer->blocks, one);
        PyDict_DelItem(buffer->blocks, other);
    }
    Py_XDECREF(one);
    Py_XDECREF(other);
    PyErr_Clear();
    return taken;
}

/* PlayoutJitterBuffer.take, if the next frame has come whole and is due; the caller sets `level`. 0 if Python has to do it,
 * with nothing changed. */
int
take_relayed(PlayoutJitterBuffer *buffer, double now, unsigned char *frame)
{
    const Delays *delays = hot(&buffer->delays);
    Concealment *concealment = hot(&buffer->concealment);
    PlayoutJitterStats *stats = hot(&buffer->stats);
    if (hot(&buffer->stream) == NULL || delays == NULL || concealment == NULL || concealment->repeated != Py_None ||
        stats == NULL || buffer->blocks == NULL || !PyDict_Check(buffer->blocks))
        return 0;
    double spare = now - (double)buffer->at / RATE - delays->fastest - delays->target;
    if (buffer->level < QUIET_LEVEL && (spare < 0 || spare > FRAME_SECONDS + SLACK))
        return 0;
    if (!take_blocks(buffer, frame))
        return 0;
    buffer->at += FRAME;
    buffer->bridged = 0;
    stats->played++;
    memmove(concealment->past, concealment->past + FRAME, MEMORY - FRAME);
    memcpy(concealment->past + MEMORY - FRAME, frame, FRAME);
    return 1;
}
