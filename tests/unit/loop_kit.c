/* loop_kit.c - see loop_kit.h. */
#include "loop_kit.h"

#include <stdlib.h>

struct loop_kit loop;

static struct loop_slot *take(void)
{
    for (size_t i = 0; i < LOOP_SLOTS; i++) {
        if (loop.slots[i].is_used)
            continue;
        loop.slots[i] = (struct loop_slot){.is_used = true};
        loop.open++;
        return &loop.slots[i];
    }
    abort();
}

static void give_back(void *user, void *handle)
{
    struct loop_slot *slot = handle;
    (void)user;
    if (!slot->is_used)
        abort();
    slot->is_used = false;
    loop.open--;
}

static uint64_t now_ms(void *user)
{
    (void)user;
    return loop.now;
}

static void *watch_start(void *user, int fd, uint32_t events,
                         void (*fn)(void *arg, uint32_t events), void *arg)
{
    (void)user;
    if (fd == LOOP_PLAIN_FILE)
        return NULL;
    struct loop_slot *slot = take();
    *slot = (struct loop_slot){
        .is_used = true, .fd = fd, .events = events, .ready = fn, .arg = arg};
    return slot;
}

static void watch_change(void *user, void *handle, uint32_t events)
{
    (void)user;
    ((struct loop_slot *)handle)->events = events;
}

static void *timer_start(void *user, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    (void)user, (void)delay_ms;
    struct loop_slot *slot = take();
    *slot = (struct loop_slot){.is_used = true, .due = fn, .arg = arg};
    return slot;
}

static void *dns_ask(void *user, struct mw_slice name, enum mw_dns_kind kind,
                     void (*answered)(void *arg, const struct mw_dns_answer *answer), void *arg)
{
    (void)user;
    if (loop.is_dns_away)
        return NULL;
    struct loop_slot *slot = take();
    *slot = (struct loop_slot){
        .is_used = true, .name = name, .kind = kind, .answered = answered, .arg = arg};
    return slot;
}

static bool work(void *user, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    (void)user;
    if (loop.is_pool_full)
        return false;
    loop.works[loop.work_count++] = (struct kit_work){run, done, arg};
    return true;
}

void loop_reset(void)
{
    memset(&loop, 0, sizeof loop);
    loop.now = 5000;
    loop.log = mw_log_memory(MW_LOG_DEBUG);
    loop.services = (struct mw_instance_services){
        .now_ms = now_ms,
        .watch_start = watch_start,
        .watch_change = watch_change,
        .watch_stop = give_back,
        .timer_start = timer_start,
        .timer_stop = give_back,
        .dns_ask = dns_ask,
        .dns_cancel = give_back,
        .work = work,
        .log = loop.log,
    };
}

void loop_ready(int fd, uint32_t events)
{
    for (size_t i = 0; i < LOOP_SLOTS; i++) {
        struct loop_slot *slot = &loop.slots[i];
        if (slot->is_used && slot->ready != NULL && slot->fd == fd && (slot->events & events))
            slot->ready(slot->arg, slot->events & events);
    }
}

void loop_due(void)
{
    for (size_t i = 0; i < LOOP_SLOTS; i++) {
        struct loop_slot slot = loop.slots[i];
        if (!slot.is_used || slot.due == NULL)
            continue;
        give_back(NULL, &loop.slots[i]);
        slot.due(slot.arg);
    }
}

void loop_answer(const struct mw_dns_answer *answer)
{
    for (size_t i = 0; i < LOOP_SLOTS; i++) {
        struct loop_slot slot = loop.slots[i];
        if (!slot.is_used || slot.answered == NULL)
            continue;
        give_back(NULL, &loop.slots[i]);
        slot.answered(slot.arg, answer);
    }
}

void loop_work(void)
{
    size_t count = loop.work_count;
    struct kit_work works[LOOP_WORKS];
    memcpy(works, loop.works, sizeof works);
    loop.work_count = 0;
    for (size_t i = 0; i < count; i++) {
        works[i].run(works[i].arg);
        works[i].done(works[i].arg);
    }
}

bool loop_logged(const char *needle)
{
    struct mw_slice text = mw_log_memory_view(loop.log);
    return text.len > 0 && memmem(text.ptr, text.len, needle, strlen(needle)) != NULL;
}
