/* dkim_kit.c - see dkim_kit.h. */
#include "dkim_kit.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

enum { KIT_TEXT = 400000 };

const struct dkim_setup kit_setup = {.signatures_max = 5,
                                     .key_bits_min = 1024,
                                     .is_checked_again = true,
                                     .now_s = 1600000000,
                                     .tolerance_s = 300};

/* ---- messages ---- */

static size_t with_crlf(struct mw_slice text, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n' && (i == 0 || text.ptr[i - 1] != '\r'))
            out[len++] = '\r';
        out[len++] = text.ptr[i];
    }
    return len;
}

/* Octets of the line at the front with its CRLF. */
static size_t line_len(struct mw_slice text)
{
    ptrdiff_t end = text_find(text, '\n');
    return end < 0 ? text.len : (size_t)end + 1;
}

static struct field field_of(struct mw_slice raw)
{
    size_t colon = (size_t)text_find(raw, ':'), name = colon;
    while (name > 0 && (raw.ptr[name - 1] == ' ' || raw.ptr[name - 1] == '\t'))
        name--;
    return (struct field){.name = SLICE(raw.ptr, name),
                          .gap = SLICE(raw.ptr + name, colon + 1 - name),
                          .value = SLICE(raw.ptr + colon + 1, raw.len - colon - 1)};
}

void kit_split(struct kit_message *out, struct mw_slice text)
{
    static char octets[2 * KIT_TEXT];
    struct mw_slice rest = SLICE(octets, with_crlf(text, octets));
    out->count = 0;
    while (rest.len > 0) {
        size_t len = line_len(rest);
        if (len == 2 && rest.ptr[0] == '\r') {
            rest = text_skip(rest, 2);
            break;
        }
        while (len < rest.len && (rest.ptr[len] == ' ' || rest.ptr[len] == '\t'))
            len += line_len(text_skip(rest, len));
        if (text_find(SLICE(rest.ptr, len), ':') < 0)
            break; /* as mailweir has it: the body begins here */
        if (out->count == KIT_FIELDS)
            abort();
        out->fields[out->count++] = field_of(SLICE(rest.ptr, len - 2));
        rest = text_skip(rest, len);
    }
    out->body = rest;
}

/* ---- canonical forms: RFC 6376 3.4, read aloud ---- */

size_t kit_simple_body(struct mw_slice in, char *out)
{
    while (in.len >= 2 && memcmp(in.ptr + in.len - 2, "\r\n", 2) == 0)
        in.len -= 2;
    if (in.len > 0)
        memcpy(out, in.ptr, in.len);
    memcpy(out + in.len, "\r\n", 2);
    return in.len + 2;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

size_t kit_relaxed_body(struct mw_slice in, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        if (is_blank(in.ptr[i])) {
            if (i == 0 || !is_blank(in.ptr[i - 1]))
                out[len++] = ' ';
            continue;
        }
        bool is_end = in.ptr[i] == '\r' && i + 1 < in.len && in.ptr[i + 1] == '\n';
        if (is_end && len > 0 && out[len - 1] == ' ')
            len--;
        out[len++] = in.ptr[i];
    }
    if (len > 0 && out[len - 1] == ' ')
        len--;
    while (len >= 2 && memcmp(out + len - 2, "\r\n", 2) == 0)
        len -= 2;
    if (len > 0) {
        memcpy(out + len, "\r\n", 2);
        len += 2;
    }
    return len;
}

size_t kit_relaxed_value(struct mw_slice in, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '\r' && i + 1 < in.len && in.ptr[i + 1] == '\n')
            i++;
        else if (!is_blank(c))
            out[len++] = c;
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    return len;
}

/* ---- keys ---- */

static EVP_PKEY *key_of(enum kit_key key)
{
    static EVP_PKEY *keys[KIT_KEYS];
    static const unsigned bits[KIT_KEYS] = {512, 1024, 2048, 4096, 0};
    if (keys[key] == NULL)
        keys[key] = key == KIT_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                       : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits[key]);
    if (keys[key] == NULL)
        abort();
    return keys[key];
}

const char *kit_record(enum kit_key key)
{
    static char records[KIT_KEYS][1500];
    unsigned char der[1000], *end = der;
    size_t len = sizeof der;
    if (records[key][0] != '\0')
        return records[key];
    bool is_rsa = key != KIT_ED25519;
    if (is_rsa)
        len = (size_t)i2d_PUBKEY(key_of(key), &end);
    else
        EVP_PKEY_get_raw_public_key(key_of(key), der, &len);
    size_t at = (size_t)snprintf(records[key], sizeof records[key],
                                 "v=DKIM1; k=%s; p=", is_rsa ? "rsa" : "ed25519");
    EVP_EncodeBlock((unsigned char *)records[key] + at, der, (int)len);
    return records[key];
}

/* ---- the signer ---- */

static void sha256(const char *text, size_t len, unsigned char out[32])
{
    if (!EVP_Digest(text, len, out, NULL, EVP_sha256(), NULL))
        abort();
}

static size_t sign(enum kit_key key, const unsigned char hash[32], unsigned char out[512])
{
    size_t len = 512;
    int done;
    if (key == KIT_ED25519) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        done = EVP_DigestSignInit(ctx, NULL, NULL, NULL, key_of(key)) &&
               EVP_DigestSign(ctx, out, &len, hash, 32);
        EVP_MD_CTX_free(ctx);
    } else {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key_of(key), NULL);
        done = EVP_PKEY_sign_init(ctx) > 0 &&
               EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0 &&
               EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0 &&
               EVP_PKEY_sign(ctx, out, &len, hash, 32) > 0;
        EVP_PKEY_CTX_free(ctx);
    }
    if (!done)
        abort();
    return len;
}

static void put_field(struct builder *out, bool is_relaxed, const struct field *field)
{
    if (!is_relaxed) {
        builder_put(out, field->name);
        builder_put(out, field->gap);
        builder_put(out, field->value);
        return;
    }
    for (size_t i = 0; i < field->name.len; i++) {
        char c = text_lower(field->name.ptr[i]);
        builder_put(out, SLICE(&c, 1));
    }
    builder_put(out, LIT(":"));
    char *value = malloc(field->value.len + 2);
    builder_put(out, SLICE(value, kit_relaxed_value(field->value, value)));
    free(value);
}

/* Fields by h=, from the bottom. */
static void put_signed(struct builder *out, bool is_relaxed, const struct kit_message *message,
                       struct mw_slice names)
{
    static bool is_used[KIT_FIELDS];
    struct mw_slice name;
    memset(is_used, 0, sizeof is_used);
    while (signature_next_name(&names, &name))
        for (size_t i = message->count; i-- > 0;) {
            if (is_used[i] || !text_ieq(message->fields[i].name, name))
                continue;
            is_used[i] = true;
            put_field(out, is_relaxed, &message->fields[i]);
            builder_put(out, LIT("\r\n"));
            break;
        }
}

static size_t body_of(const struct kit_signer *signer, const struct kit_message *message, char *out)
{
    bool is_relaxed = strstr(signer->canons, "/relaxed") != NULL;
    size_t len = (is_relaxed ? kit_relaxed_body : kit_simple_body)(message->body, out);
    return signer->length >= 0 && (size_t)signer->length < len ? (size_t)signer->length : len;
}

struct mw_slice kit_sign(const struct kit_signer *signer, struct mw_slice text)
{
    static char octets[KIT_TEXT], room[2 * KIT_TEXT];
    static struct kit_message message;
    unsigned char hash[32], data[512];
    char encoded[800], length[32] = "";
    struct builder out = {.ptr = octets, .cap = sizeof octets},
                   header = {.ptr = room, .cap = sizeof room};
    kit_split(&message, text);
    sha256(room, body_of(signer, &message, room), hash);
    EVP_EncodeBlock((unsigned char *)encoded, hash, sizeof hash);
    if (signer->length >= 0)
        snprintf(length, sizeof length, " l=%td;", signer->length);
    builder_putf(&out,
                 "DKIM-Signature: v=1; a=%s; c=%s; d=%s; s=sel;%s%s\r\n\th=%s;\r\n\tbh=%s;\r\n\tb=",
                 signer->key == KIT_ED25519 ? "ed25519-sha256" : "rsa-sha256", signer->canons,
                 signer->domain, length, signer->more, signer->names, encoded);
    bool is_relaxed = strncmp(signer->canons, "relaxed", 7) == 0;
    struct field own = field_of(SLICE(octets, out.len));
    put_signed(&header, is_relaxed, &message, slice_of(signer->names));
    put_field(&header, is_relaxed, &own);
    sha256(room, header.len, hash);
    EVP_EncodeBlock((unsigned char *)encoded, data, (int)sign(signer->key, hash, data));
    builder_put(&out, SLICE(encoded, 60));
    builder_put(&out, LIT("\r\n\t "));
    builder_put(&out, slice_of(encoded + 60));
    builder_put(&out, LIT("\r\n"));
    builder_put(&out, text);
    return SLICE(octets, out.len);
}

struct dkim_check *kit_verify(const struct dkim_setup *setup, struct mw_slice text,
                              const char *record)
{
    static struct dkim_check *check;
    static struct kit_message message;
    struct mw_slice value = slice_of(record == NULL ? "" : record);
    struct mw_dns_answer answer = {.size = sizeof answer,
                                   .outcome = record == NULL ? MW_DNS_NOTHING : MW_DNS_FOUND,
                                   .values = &value,
                                   .count = record != NULL};
    dkim_check_free(&check);
    kit_split(&message, text);
    check = dkim_check_new(setup == NULL ? &kit_setup : setup, message.fields, message.count,
                           LIT("example.net"));
    if (check == NULL)
        return NULL;
    for (size_t i = 0; i < dkim_check_count(check); i++)
        if (dkim_check_question(check, i).len > 0)
            dkim_check_answer(check, i, &answer);
    dkim_check_feed(check, message.body);
    dkim_check_end(check);
    return check;
}
