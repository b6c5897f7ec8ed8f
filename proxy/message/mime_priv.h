/* mime_priv.h - what the files of the MIME decoder share.
 *
 *   mime.c, mime_reader.h   where parts begin and end
 *   mime_part.c    a header block to a part: which reading, which second reading
 *   mime_param.c   structured field values: type, parameters, RFC 2231 pieces
 *   mime_name.c    all names that a part's file may have
 *   mime_decode.c  base64, quoted-printable
 *   mime_text.c    uuencode and yEnc within texts */
#ifndef MW_MESSAGE_MIME_PRIV_H
#define MW_MESSAGE_MIME_PRIV_H

#include "base/buf.h"
#include "message/mime.h"

enum {
    MW_MIME_LINE_MAX = 1024, /* a line that means something is not longer: boundaries, field names,
                                uuencode */
    MW_MIME_SNIFF = 256,     /* octets that decide whether something looks like base64 */
    MW_MIME_QP_HOLD = 256,   /* blanks at the end of a quoted-printable line that are waited for */
    MW_MIME_SCRATCH = 16384,
    MW_MIME_BOUNDARIES = 4 /* that one multipart may have, when it says different things */
};

/* ---- mime_decode.c ---- */

/* One body being decoded. Zero-initialised but for the kind. */
struct mw_mime_decoder {
    enum mw_mime_encoding kind;
    uint32_t bits; /* base64: of an unfinished group */
    uint8_t have;  /* characters in it */
    bool has_padding;
    uint16_t hold_len;
    char hold[MW_MIME_QP_HOLD]; /* quoted-printable: "=", or blanks, whose meaning is still open */
    uint64_t defects;
};

/* Decode from the front of *in, which is moved on; `out` has room for MW_MIME_SCRATCH octets.
 * Returns how many were written; 0 does not mean the end. */
size_t mw_mime_decode(struct mw_mime_decoder *decoder, struct mw_slice *in, char *out);
/* The rest, when the body is over. At most MW_MIME_QP_HOLD octets. */
size_t mw_mime_decode_end(struct mw_mime_decoder *decoder, char *out);
/* Could these octets be base64, and hardly anything else? */
bool mw_mime_looks_base64(struct mw_slice octets);

/* ---- mime_param.c ---- */

/* A parameter as it stands: one of perhaps several pieces. */
struct mw_mime_param {
    struct mw_slice name;  /* lower case, without what belongs to RFC 2231 */
    struct mw_slice value; /* unquoted */
    struct mw_slice other; /* the other way to read it; ptr NULL: there is none */
    int section;           /* RFC 2231 3; -1: none */
    bool is_extended;      /* RFC 2231 4: percent signs */
    bool is_quoted;
};

/* A structured field. */
struct mw_mime_value {
    struct mw_slice head; /* "text/plain", "attachment": lower case, no comments */
    struct mw_slice text; /* all of it, unfolded */
    struct mw_mime_param *params;
    size_t count;
    uint64_t defects;
};

/* A value that some form of a parameter gives. */
struct mw_mime_form {
    struct mw_slice text;    /* octets behind RFC 2231, before any charset */
    struct mw_slice charset; /* RFC 2231's; empty: none */
    bool is_2231;
    bool is_second; /* another way to read the same form */
};
enum { MW_MIME_FORMS_MAX = 32 };

void mw_mime_value_parse(struct mw_arena *arena, struct mw_slice raw, struct mw_mime_value *out);
/* Every form of the parameter, the preferred one first. */
size_t mw_mime_forms(struct mw_arena *arena, struct mw_mime_value *value, struct mw_slice name,
                     struct mw_mime_form *out_forms, size_t max);
/* A token that stands alone, as in Content-Transfer-Encoding: lower case, no comments. */
struct mw_slice mw_mime_token(struct mw_arena *arena, struct mw_slice raw);
/* Unfolded: without line ends and without blanks around it; NULs become blanks. */
struct mw_slice mw_mime_text(struct mw_arena *arena, struct mw_slice raw);
struct mw_slice mw_mime_lower(struct mw_arena *arena, struct mw_slice text);

/* ---- mime_name.c ---- */

struct mw_mime_names {
    struct mw_arena *arena;
    struct mw_slice list[MW_MIME_NAMES_MAX];
    size_t count;
    struct mw_slice first; /* the first one that was no second reading */
    uint64_t defects;
};

/* All names in a field: `disposition` chooses between "filename" and "name" as what is preferred. */
void mw_mime_names_take(struct mw_mime_names *names, struct mw_mime_value *value,
                        bool is_disposition);
void mw_mime_names_add(struct mw_mime_names *names, struct mw_slice utf8, bool is_second);

/* ---- mime_text.c ---- */

/* Looks for files within a text, line by line. */
struct mw_mime_files {
    uint8_t mode; /* private */
    size_t line_len;
    char line[MW_MIME_LINE_MAX];
    size_t name_len;
    char name[MW_MIME_LINE_MAX];   /* of the file that begins */
    struct mw_mime_decoder base64; /* "begin-base64" */
    char out[MW_MIME_LINE_MAX];
};

enum mw_mime_event {
    MW_MIME_NOTHING = 0, /* all of the input was taken */
    MW_MIME_FILE_BEGINS, /* `name`; call again */
    MW_MIME_FILE_OCTETS, /* `out`; call again */
    MW_MIME_FILE_ENDS
};

/* The text begins with uuencoded data, perhaps without a begin line. */
void mw_mime_files_expect(struct mw_mime_files *files);
/* What comes next; *in is moved on. *out_octets: a view into `files`. */
enum mw_mime_event mw_mime_files_next(struct mw_mime_files *files, struct mw_slice *in,
                                      struct mw_slice *out_octets);
/* The text is over: the line that waits for its end. */
enum mw_mime_event mw_mime_files_end(struct mw_mime_files *files, struct mw_slice *out_octets);

/* ---- mime_part.c ---- */

enum mw_mime_kind { MW_MIME_LEAF = 0, MW_MIME_MULTIPART, MW_MIME_MESSAGE };

/* One way to read an entity. */
struct mw_mime_reading {
    enum mw_mime_kind kind;
    struct mw_slice type;
    enum mw_mime_encoding encoding;
    struct mw_slice boundaries[MW_MIME_BOUNDARIES];
    size_t boundary_count;
    bool guesses_boundary; /* there is none: the first line that looks like one */
    bool sniffs;           /* an unknown encoding */
};

struct mw_mime_entity {
    struct mw_mime_reading first, second;
    bool has_second;
    bool is_binary; /* Content-Transfer-Encoding: binary */
    uint64_t defects;
};

/* Read a header block (part->header) into `part` and `out`. `in_digest`: RFC 2046 5.1.5. */
void mw_mime_entity_read(struct mw_arena *arena, struct mw_mime_part *part, bool in_digest,
                         struct mw_mime_entity *out);

/* What a line within a header block is, as message/header.h has it. `line`: with its line end, or
 * its first MW_MIME_LINE_MAX octets. */
enum mw_mime_line {
    MW_MIME_LINE_END = 0, /* the empty line */
    MW_MIME_LINE_FIELD,
    MW_MIME_LINE_MORE,
    MW_MIME_LINE_BLANK, /* MORE with blanks only */
    MW_MIME_LINE_FROM,
    MW_MIME_LINE_BODY
};
enum mw_mime_line mw_mime_line_kind(struct mw_slice line, bool has_field);

#endif
