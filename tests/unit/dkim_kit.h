/* dkim_kit.h - what tests of the DKIM filter share: messages taken apart, canonical forms made the simple way, a signer with
 * keys of its own. The signer shares no code with the verifier but the tag list. */
#ifndef DKIM_KIT_H
#define DKIM_KIT_H

#include "verify.h"

enum { KIT_FIELDS = 400 };

struct kit_message {
    struct field fields[KIT_FIELDS];
    size_t count;
    struct mw_slice body;
};
/* `text`: LF or CRLF line ends; what the message points to is static until the next call. */
void kit_split(struct kit_message *out, struct mw_slice text);

/* Canonical forms over whole texts, by copying. `out` has room for in.len + 2 octets more. Returns the length. */
size_t kit_simple_body(struct mw_slice in, char *out);
size_t kit_relaxed_body(struct mw_slice in, char *out);
size_t kit_relaxed_value(struct mw_slice in, char *out);

enum kit_key { KIT_RSA_512 = 0, KIT_RSA_1024, KIT_RSA_2048, KIT_RSA_4096, KIT_ED25519, KIT_KEYS };
/* "v=DKIM1; k=rsa; p=..." */
const char *kit_record(enum kit_key key);

struct kit_signer {
    enum kit_key key;
    const char *canons; /* "relaxed/simple" */
    const char *names;  /* h= */
    const char *more;   /* further tags, " i=...;", or "" */
    const char *domain; /* d=; the selector is "sel" */
    ptrdiff_t length;   /* l=; -1: none */
};
/* A signature of the message (CRLF), and the message behind it. Static until the next call. */
struct mw_slice kit_sign(const struct kit_signer *signer, struct mw_slice message);

/* Verify with `setup` (NULL: usual settings), each question answered by `record` (NULL: nothing there). The check is kept until the next
 * call; NULL: no signature. */
struct dkim_check *kit_verify(const struct dkim_setup *setup, struct mw_slice message,
                              const char *record);
extern const struct dkim_setup kit_setup;

#endif
