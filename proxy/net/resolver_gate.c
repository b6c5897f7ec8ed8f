/* resolver_gate.c - how fast questions go out: at most GATE_ROOM that may still lie in a server's
 * socket. The others wait in the order in which they came.
 *
 *      waiting ---- there is room ---> recent ---- it, or a later one, is answered ---> out
 *         \                               \------- sent GATE_LEASE_MS ago -----------> out
 *          \------ nobody wants it any more ------------------------------------------> out
 *
 * What comes in one turn of the loop (many sessions, a tree of SPF includes) would go out in one
 * lump, and a server's socket holds some hundred datagrams (270 in the 208 KiB that the kernel gives
 * it). The rest is lost without a word, asked again a time-out later, in one lump, and lost again: of
 * 10,000 questions at once up to half failed with a server that answers 100,000 a second.
 *
 * This is no window on questions that have no answer: behind a recursive server are other people's
 * servers, some of them mute, and whoever has a mute zone would need GATE_ROOM questions to hold up
 * everybody's for a time-out. What counts is the socket alone. It is read in order: an answer says
 * that all that was sent before has been taken out, answered or not. So a server sets the pace
 * itself, fast or slow. When nothing at all is answered, a place is given back after the lease: the
 * queue moves by 128 in 10 ms however mute the servers are, and a whole table of mute questions
 * (10,000) delays who comes behind it by 0.8 s, once. What the lanes do about servers that hang
 * (resolver_lanes.c) is untouched: here is only the sending.
 *
 * Measured with nsd and 10,000 questions in one turn, on two cores with a load of 6 to 14. Without a
 * gate 0 to 40 % fail, and the rest takes 2 to 4 s. With 512 places up to 3 % fail; with 256 all are
 * answered, some by their second try; with 128 by their first, within 0.1 to 0.2 s and for two thirds
 * of the CPU; 64 take longer. Places that are kept for 5 ms instead of 10 gain nothing, and a server
 * that does not run for a moment loses more.
 *
 * c-ares sends again by itself, past the gate; that those tries come as spread as the first ones did
 * is the business of resolver.c's tick. */
#include "net/resolver_priv.h"

static uint64_t lease_ns(void)
{
    return UINT64_C(1000000) * MW_DNS_GATE_LEASE_MS;
}

static struct mw_dns_pass *first_of(struct mw_link *list)
{
    return mw_container_of(list->next, struct mw_dns_pass, place);
}

void mw_dns_gate_init(struct mw_dns_gate *gate)
{
    mw_list_init(&gate->waiting);
    mw_list_init(&gate->recent);
    gate->waiting_count = gate->recent_count = 0;
}

void mw_dns_gate_wait(struct mw_dns_gate *gate, struct mw_dns_pass *pass)
{
    pass->is_waiting = true;
    mw_list_append(&gate->waiting, &pass->place);
    gate->waiting_count++;
}

void mw_dns_gate_leave(struct mw_dns_gate *gate, struct mw_dns_pass *pass)
{
    if (!mw_list_contains(&pass->place))
        return;
    if (pass->is_waiting)
        gate->waiting_count--;
    else
        gate->recent_count--;
    pass->is_waiting = false;
    mw_list_remove(&pass->place);
}

void mw_dns_gate_arrive(struct mw_dns_gate *gate, struct mw_dns_pass *pass)
{
    if (!mw_list_contains(&pass->place) || pass->is_waiting)
        return;
    while (first_of(&gate->recent) != pass)
        mw_dns_gate_leave(gate, first_of(&gate->recent));
    mw_dns_gate_leave(gate, pass);
}

/* They were sent in the order of the list. */
static void end_leases(struct mw_dns_gate *gate, uint64_t now_ns)
{
    while (!mw_list_is_empty(&gate->recent) &&
           now_ns - first_of(&gate->recent)->sent_ns >= lease_ns())
        mw_dns_gate_leave(gate, first_of(&gate->recent));
}

struct mw_dns_pass *mw_dns_gate_next(struct mw_dns_gate *gate, uint64_t now_ns)
{
    if (mw_list_is_empty(&gate->waiting))
        return NULL;
    if (gate->recent_count == MW_DNS_GATE_ROOM)
        end_leases(gate, now_ns);
    if (gate->recent_count == MW_DNS_GATE_ROOM)
        return NULL;
    struct mw_dns_pass *pass = first_of(&gate->waiting);
    mw_dns_gate_leave(gate, pass);
    pass->sent_ns = now_ns;
    mw_list_append(&gate->recent, &pass->place);
    gate->recent_count++;
    return pass;
}

uint64_t mw_dns_gate_pause_ms(struct mw_dns_gate *gate, uint64_t now_ns)
{
    if (mw_list_is_empty(&gate->waiting))
        return 0;
    end_leases(gate, now_ns);
    if (gate->recent_count < MW_DNS_GATE_ROOM)
        return 1;
    uint64_t past_ns = now_ns - first_of(&gate->recent)->sent_ns;
    return (lease_ns() - past_ns) / 1000000 + 1;
}
