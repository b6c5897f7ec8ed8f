/* mime.h - a streaming MIME decoder: the octets of a message go in as they come, parts and their
 * decoded octets come out.
 *
 * A push parser: constant memory but for the parts' headers, one pass, linear in the input, and
 * what it says does not depend on how the input was cut (tests/fuzz/fuzz_mime.c). It never fails:
 * what is broken leaves a defect (defects.def) and is read in the way that most mail programs read
 * it; where two ways are common, the second one comes as an alternative part behind the first. Line
 * ends are CRLF or LF. The header block ends as message/header.h says. RFC 2045, 2046, 2047, 2231,
 * 5322, 6532.
 *
 * Not here: charsets, HTML, links, hashes, archives (content.h puts them behind it). */
#ifndef MW_MESSAGE_MIME_H
#define MW_MESSAGE_MIME_H

#include "base/arena.h"

enum mw_defect {
#define DEFECT(id, name, severity, meaning) MW_DEFECT_##id,
#include "message/defects.def"
#undef DEFECT
    MW_DEFECT_COUNT
};
#define MW_DEFECT_BIT(defect) ((uint64_t)1 << (defect))

enum {
    MW_MIME_DEPTH_MAX = 32,            /* containers around a part */
    MW_MIME_PARTS_MAX = 1000,          /* alternatives included */
    MW_MIME_HEADER_MAX = 256 * 1024,   /* octets of one header block that are kept */
    MW_MIME_HEADERS_MAX = 1024 * 1024, /* of all parts' blocks together */
    MW_MIME_FIELDS_MAX = 1000,         /* of one block that are looked at */
    MW_MIME_PARAMS_MAX = 100,
    MW_MIME_BOUNDARY_MAX = 255,
    MW_MIME_NAMES_MAX = 16,
    MW_MIME_NAME_MAX = 1024 /* octets of one file name */
};

enum mw_mime_encoding {
    MW_MIME_IDENTITY = 0, /* 7bit, 8bit, binary, none */
    MW_MIME_BASE64,
    MW_MIME_QP,
    MW_MIME_UUENCODE
};

struct mw_mime_part {
    struct mw_mime_part *parent; /* NULL: the message itself */
    uint32_t index, depth;
    struct mw_slice path;          /* "1.2": places from 1; the message itself, when it is no
                                      multipart, and an attached message's only part, count as place 1;
                                      containers have the path that their parts begin with, the outermost
                                      an empty one */
    struct mw_slice header;        /* its block, kept octets, without the empty line */
    struct mw_slice type;          /* as which it is read; lower case; "text/plain" by default (in a
                                      digest "message/rfc822") */
    struct mw_slice type_declared; /* lower case without parameters; empty: none */
    struct mw_slice charset, disposition, encoding; /* declared, lower case; empty: none */
    struct mw_slice content_id;                     /* without the angle brackets */
    const struct mw_slice *names; /* UTF-8, each once; first the one that RFC 2231, 2183 prefer */
    size_t name_count;
    enum mw_mime_encoding decoded_as;
    bool is_container; /* multipart, or a message whose content is read as one */
    bool is_message;   /* `header` is a message's header block */
    bool is_alternative;
    uint64_t defects; /* bits; complete when the message is */
    uint64_t octets;  /* decoded so far */
    void *user;       /* the sink's own, NULL at first */
};

/* Who wants to know. Parts live as long as the decoder. */
struct mw_mime_sink {
    void *user;
    /* A part begins: everything but defects and octets is final. Containers come before their parts. */
    void (*part)(void *user, struct mw_mime_part *part);
    /* Decoded octets of a leaf, in order, cut anywhere; never empty. Octets of different parts may
     * take turns only between a part and its alternatives, and the parts within those. */
    void (*octets)(void *user, struct mw_mime_part *part, struct mw_slice octets);
    /* No more octets (containers: no more parts). */
    void (*end)(void *user, struct mw_mime_part *part);
};

struct mw_mime;

/* The sink is copied. */
struct mw_mime *mw_mime_new(const struct mw_mime_sink *sink);
void mw_mime_free(struct mw_mime **mime);
/* The next octets of the message, header block first. Any length. */
void mw_mime_feed(struct mw_mime *mime, struct mw_slice octets);
/* The message is over: open parts end. Nothing may be fed afterwards. */
void mw_mime_finish(struct mw_mime *mime);
/* In document order, an alternative behind its part. Valid until mw_mime_free. */
const struct mw_mime_part *mw_mime_part(const struct mw_mime *mime, size_t index);
size_t mw_mime_count(const struct mw_mime *mime);
/* Bits of everything seen: all parts, and what belongs to no part. */
uint64_t mw_mime_defects(const struct mw_mime *mime);
/* Octets of heap memory held. */
size_t mw_mime_memory(const struct mw_mime *mime);

#endif
