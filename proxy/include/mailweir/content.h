/* mailweir/content.h - a message taken apart: what filters see of parts, names, texts, links and archives.
 *
 * A view is made while the message comes in and complete at end_of_message (host->content). Only what some filter of the
 * chain asked for in open() (host->want_content) is decoded; what was not asked for is empty. Everything in it is plain data
 * that never changes once the view is complete, so that a pool thread may read it (host->content_hold).
 *
 * Every number of things and every length has a bound (docs/content.md); what lies beyond leaves a defect, never an error.
 * Texts are well-formed UTF-8 without NUL, with LF line ends. Structs begin with their size and grow only at the end; they
 * are reached by pointers for that reason. */
#ifndef MAILWEIR_CONTENT_H
#define MAILWEIR_CONTENT_H

#include <mailweir/filter.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is to be decoded; bits. */
enum mw_content_need {
    MW_CONTENT_PARTS = 1,    /* the parts: types, names, sizes, defects; comes with each of the others */
    MW_CONTENT_TEXT = 2,     /* texts of text parts */
    MW_CONTENT_HTML = 4,     /* what a reader sees of HTML parts; TEXT comes with it */
    MW_CONTENT_URLS = 8,     /* links of texts and HTML parts; HTML comes with it */
    MW_CONTENT_SHA256 = 16,  /* of each leaf's decoded octets */
    MW_CONTENT_MAGIC = 32,   /* what each attachment's first octets look like */
    MW_CONTENT_ARCHIVES = 64 /* what archives hold */
};

/* note: unusual and harmless. malformed: not as the RFCs say. ambiguous: programs read it in different ways, as attackers like it. */
enum mw_content_severity { MW_DEFECT_NOTE = 0, MW_DEFECT_MALFORMED, MW_DEFECT_AMBIGUOUS };

/* One kind of defect; constant, compare by name. The list is in docs/content.md. */
struct mw_content_defect {
    size_t size;
    const char *name; /* "base64-garbage" */
    enum mw_content_severity severity;
    const char *meaning; /* a sentence for people */
};

/* A member of an archive. */
struct mw_content_member {
    size_t size;
    struct mw_slice name;  /* UTF-8, as stored: '/' or '\' between folders */
    uint64_t octets;       /* unpacked, as the archive says; UINT64_MAX: it does not say */
    uint32_t is_encrypted;
    uint32_t depth;        /* 0: of the archive itself, 1: of an archive in it */
};

struct mw_content_part {
    size_t size;
    uint32_t index;          /* in parts */
    uint32_t depth;          /* multiparts and messages around it */
    struct mw_slice path;    /* "1.2.1": places from 1, in each container on the way */
    struct mw_slice header;  /* its header block as it came, without the empty line; of the message for the first part */
    struct mw_slice type;          /* as which it is read: "text/html", lower case, never empty */
    struct mw_slice type_declared; /* as its header says, lower case; empty: it does not */
    struct mw_slice magic;         /* as its octets look; empty: nothing known */
    struct mw_slice charset, disposition, encoding, content_id; /* as declared; lower case but for content_id */
    const struct mw_slice *names;  /* every file name that some mail program would show; UTF-8, without folders */
    size_t name_count;
    uint64_t octets;         /* decoded; 0 for containers */
    struct mw_slice sha256;  /* of them, 64 hexadecimal digits */
    struct mw_slice text;    /* text parts: decoded, of HTML the source */
    struct mw_slice visible; /* HTML parts: what a reader sees; other text parts: as text */
    const struct mw_content_member *const *members;
    size_t member_count;
    const struct mw_content_defect *const *defects; /* its own */
    size_t defect_count;
    uint32_t is_container;   /* 1: multipart/... or a message; its parts follow */
    uint32_t is_message;     /* 1: the header is that of a message (the outer one, or one that is attached) */
    uint32_t is_attachment;  /* 1: has a name, or says so, or is no text */
    uint32_t is_alternative; /* 1: another reading of the part before it, where programs differ */
    uint32_t is_truncated;   /* 1: text (or what was looked at of an archive) is not all of it: head and tail */
    uint32_t is_encrypted;   /* 1: it, or a member of it, needs a password or a key */
};

enum mw_content_url_source { MW_URL_TEXT = 0, MW_URL_LINK, MW_URL_RESOURCE };
struct mw_content_url {
    size_t size;
    struct mw_slice url;    /* as found, character references undone */
    struct mw_slice scheme; /* lower case; "http" where none stands */
    struct mw_slice host;   /* lower case, percent signs undone, IP addresses in the usual form, without a final dot;
                               U-labels as A-labels */
    struct mw_slice text;   /* a link of HTML: what the reader sees of it */
    uint32_t part;          /* index of the part */
    enum mw_content_url_source source; /* in plain text; to be followed by a click; loaded when shown (images, styles) */
};

/* The view. */
struct mw_content {
    size_t size;
    uint32_t needs; /* what was decoded */
    const struct mw_content_part *const *parts; /* in document order, attached messages' included; at least one */
    size_t part_count;
    const struct mw_content_url *const *urls; /* in document order, each once for each text that it was seen with */
    size_t url_count;
    const struct mw_content_defect *const *defects; /* of all parts and of the message, each once, as in the list */
    size_t defect_count;
    uint64_t octets; /* of the message */
};

/* An address of a header field (RFC 5322 3.4). */
struct mw_address {
    size_t size;
    struct mw_slice address;       /* without comments and blanks; quotes of the local part only where they are needed */
    struct mw_slice local, domain; /* domain lower case */
    struct mw_slice name;          /* display name (or comment), decoded, UTF-8 */
};

#ifdef __cplusplus
}
#endif
#endif
