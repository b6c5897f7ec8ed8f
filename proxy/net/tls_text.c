/* tls_text.c - what went wrong, in words for the log: the frequent causes in ours, the others in
 * OpenSSL's, all octets of the peer cleaned. */
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "net/tls_priv.h"

void mw_tls_say(struct mw_tls_text text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text.ptr, text.size, format, args);
    va_end(args);
}

/* C0, DEL and C1 (which are two octets in UTF-8). */
static bool is_control(struct mw_slice character)
{
    unsigned char first = (unsigned char)character.ptr[0];
    return first < 0x20 || first == 0x7f ||
           (first == 0xc2 && (unsigned char)character.ptr[1] < 0xa0);
}

void mw_tls_clean(struct mw_slice from, char *to, size_t size)
{
    size_t used = 0;
    while (from.len > 0) {
        bool is_valid;
        size_t len = mw_utf8_next(from, &is_valid);
        struct mw_slice character = MW_SLICE(from.ptr, len);
        if (!is_valid || is_control(character))
            character = MW_LIT("?");
        if (used + character.len >= size)
            break;
        memcpy(to + used, character.ptr, character.len);
        used += character.len;
        from = mw_slice_skip(from, len);
    }
    to[used] = '\0';
}

const char *mw_tls_reason(void)
{
    unsigned long error = ERR_peek_error();
    const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);
    return reason != NULL ? reason : "OpenSSL gives no reason";
}

/* ---- a connection that failed ---- */

static const char *known_reason(int reason)
{
    static const struct {
        int reason;
        const char *text;
    } known[] = {
        {SSL_R_NO_SHARED_CIPHER, "no cipher in common with the peer"},
        {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "no signature algorithm in common with the peer"},
        {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, "no signature algorithm in common with the peer"},
        {SSL_R_NO_SUITABLE_KEY_SHARE, "no key exchange group in common with the peer"},
        {SSL_R_NO_SHARED_GROUPS, "no key exchange group in common with the peer"},
        {SSL_R_UNSUPPORTED_PROTOCOL, "the peer's version of TLS is older than the minimum"},
        {SSL_R_VERSION_TOO_LOW, "the peer's version of TLS is older than the minimum"},
        {SSL_R_WRONG_SSL_VERSION, "the peer's version of TLS is older than the minimum"},
        {SSL_R_INAPPROPRIATE_FALLBACK, "the peer fell back to an older version of TLS needlessly"},
        {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "the peer's octets do not decrypt"},
        {SSL_R_WRONG_VERSION_NUMBER, "the peer's octets are no TLS records"},
        {SSL_R_PACKET_LENGTH_TOO_LONG, "the peer's octets are no TLS records"},
        {SSL_R_BAD_RECORD_TYPE, "the peer's octets are no TLS records"},
        {SSL_R_DATA_LENGTH_TOO_LONG, "a TLS record of the peer is too long"},
        {SSL_R_ENCRYPTED_LENGTH_TOO_LONG, "a TLS record of the peer is too long"},
        {SSL_R_EXCESSIVE_MESSAGE_SIZE, "a TLS message of the peer is too long"},
        {SSL_R_EE_KEY_TOO_SMALL, "the key of the peer's certificate is too short"},
        {SSL_R_DH_KEY_TOO_SMALL, "the peer's Diffie-Hellman key is too short"},
        {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the peer takes none of our versions of TLS"},
        {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
         "the peer found no common ground (alert handshake_failure)"},
        {SSL_R_TLSV1_ALERT_UNKNOWN_CA,
         "the peer does not know the CA of our certificate (alert unknown_ca)"},
        {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
         "the peer rejected our certificate (alert bad_certificate)"},
        {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
         "the peer rejected our certificate (alert unsupported_certificate)"},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED,
         "the peer rejected our certificate (alert certificate_revoked)"},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
         "the peer rejected our certificate (alert certificate_expired)"},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
         "the peer rejected our certificate (alert certificate_unknown)"},
        {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
         "the peer wants a certificate from us (alert certificate_required)"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].reason == reason)
            return known[i].text;
    return NULL;
}

/* The first octet of a TLS record is a handshake, an alert, or the length of an SSL 2 hello. */
static bool looks_like_tls(const struct mw_tls *tls)
{
    return tls->first_len == 0 || tls->first[0] == SSL3_RT_HANDSHAKE ||
           tls->first[0] == SSL3_RT_ALERT || tls->first[0] >= 0x80;
}

static void explain_verification(const struct mw_tls *tls, struct mw_tls_text text)
{
    long result = SSL_get_verify_result(tls->ssl);
    const char *name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    if (result == X509_V_ERR_APPLICATION_VERIFICATION)
        mw_tls_say(text, "the peer's certificate has none of the fingerprints that are expected");
    else if (result == X509_V_ERR_HOSTNAME_MISMATCH && name != NULL)
        mw_tls_say(text, "the peer's certificate is not for %s", name);
    else
        mw_tls_say(text, "the peer's certificate is not accepted: %s",
                   X509_verify_cert_error_string(result));
}

void mw_tls_explain(const struct mw_tls *tls, struct mw_tls_text text)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    if (!tls->is_finished && !looks_like_tls(tls)) {
        char octets[sizeof tls->first + 1];
        mw_tls_clean(MW_SLICE((const char *)tls->first, tls->first_len), octets, sizeof octets);
        mw_tls_say(text, "not a TLS handshake (it begins with \"%s\")", octets);
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        explain_verification(tls, text);
    } else if (known_reason(reason) != NULL) {
        mw_tls_say(text, "%s", known_reason(reason));
    } else if (reason >= SSL_AD_REASON_OFFSET) {
        mw_tls_say(text, "the peer gave up (alert %s)",
                   SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    } else if (error == 0) { /* wire_write: the caller's buffer is full */
        mw_tls_say(text, "there is more to send than may be kept");
    } else {
        mw_tls_say(text, "%s: %s", tls->is_finished ? "TLS failed" : "the TLS handshake failed",
                   mw_tls_reason());
    }
}
