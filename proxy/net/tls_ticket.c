/* tls_ticket.c - a ring of keys in shared memory. Key number n is in slot n % SLOTS; `newest` is
 * the number of the one in force, and it and the two before it are good. rotate() fills the slot
 * behind the newest, which nobody uses, and then publishes it. A reader copies a key and looks
 * whether the ring has moved so far meanwhile that the copy may be torn; then it begins anew. So
 * readers in other processes need no lock, and one that dies holds none.
 *
 * The memory is not wiped when a process lets go of it: others still use it. The kernel clears it
 * after the last one. It is kept out of core dumps. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "net/tls_priv.h"

enum { SLOTS = 8, GOOD = 3, NAME_LEN = 16, IV_LEN = 16 };

struct key {
    unsigned char name[NAME_LEN], aes[32], hmac[32];
};

struct mw_tls_tickets {
    _Atomic uint64_t newest;
    struct key slots[SLOTS];
};

/* Random numbers that OpenSSL cannot give end the worker, as memory that the system cannot give
 * does: a predictable key would open every session. */
static void make_key(struct key *key)
{
    int is_good = RAND_bytes(key->name, sizeof key->name) == 1 &&
                  RAND_priv_bytes(key->aes, sizeof key->aes) == 1 &&
                  RAND_priv_bytes(key->hmac, sizeof key->hmac) == 1;
    mw_assert(is_good);
}

struct mw_tls_tickets *mw_tls_tickets_new(void)
{
    void *memory = mmap(NULL, sizeof(struct mw_tls_tickets), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mw_assert(memory != MAP_FAILED);
    (void)madvise(memory, sizeof(struct mw_tls_tickets), MADV_DONTDUMP);
    struct mw_tls_tickets *tickets = memory;
    make_key(&tickets->slots[0]);
    atomic_init(&tickets->newest, 0);
    return tickets;
}

void mw_tls_tickets_free(struct mw_tls_tickets **tickets)
{
    if (*tickets != NULL)
        munmap(*tickets, sizeof **tickets);
    *tickets = NULL;
}

void mw_tls_tickets_rotate(struct mw_tls_tickets *tickets)
{
    uint64_t next = atomic_load(&tickets->newest) + 1;
    make_key(&tickets->slots[next % SLOTS]);
    atomic_store_explicit(&tickets->newest, next, memory_order_release);
}

/* A whole copy of key number newest - `age`; false if there is none. */
static bool copy_key(struct mw_tls_tickets *tickets, uint64_t age, struct key *out_key)
{
    for (;;) {
        uint64_t newest = atomic_load_explicit(&tickets->newest, memory_order_acquire);
        if (age > newest)
            return false;
        *out_key = tickets->slots[(newest - age) % SLOTS];
        atomic_thread_fence(memory_order_acquire);
        uint64_t now = atomic_load_explicit(&tickets->newest, memory_order_relaxed);
        /* slot now + 1 may be in the making already */
        if (now + 1 - (newest - age) < SLOTS)
            return true;
    }
}

static bool find_key(struct mw_tls_tickets *tickets, const unsigned char *name, struct key *out_key,
                     uint64_t *out_age)
{
    for (uint64_t age = 0; age < GOOD; age++) {
        if (!copy_key(tickets, age, out_key))
            return false;
        if (memcmp(out_key->name, name, NAME_LEN) == 0) {
            *out_age = age;
            return true;
        }
    }
    return false;
}

static bool use_key(struct key *key, const unsigned char *iv, const EVP_CIPHER *kind,
                    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_new)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->hmac, sizeof key->hmac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1 &&
           EVP_CipherInit_ex2(cipher, kind, key->aes, iv, is_new, NULL) == 1;
}

/* RFC 5077 4. Returns what OpenSSL wants: -1 failed, 0 no such key (a full handshake follows), 1
 * good, 2 good, but give a new ticket. */
int mw_tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int is_new)
{
    const struct mw_tls *tls = SSL_get_app_data(ssl);
    struct mw_tls_tickets *tickets = mw_tls_server_tickets(tls->server);
    struct key key;
    uint64_t age = 0;
    if (!is_new && !find_key(tickets, name, &key, &age))
        return 0;
    if (is_new) {
        (void)copy_key(tickets, 0, &key);
        memcpy(name, key.name, NAME_LEN);
        if (RAND_bytes(iv, IV_LEN) != 1)
            return -1;
    }
    bool is_used = use_key(&key, iv, mw_tls_server_cipher(tls->server), cipher, mac, is_new);
    OPENSSL_cleanse(&key, sizeof key);
    if (!is_used)
        return -1;
    /* a ticket of TLS 1.3 is used once, so each use gives the next one (RFC 8446 C.4) */
    return age == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}
