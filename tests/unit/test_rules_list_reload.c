/* test_rules_list_reload.c - lists whose files change while they are in use: what is taken, what is kept,
 * and what the log says. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "list_kit.h"
#include "list_priv.h"
#include "test.h"

static struct list_kit kit;

TEST(file_that_changes_is_read_anew)
{
    kit_init(&kit);
    kit_write(&kit, "f", "a.example\n");
    LOAD("file \"f\"", "helo");
    kit_start(&kit);
    CHECK_HAS("a.example");
    kit_write(&kit, "f", "b.example\nc.example\n");
    CHECK(kit_noted(&kit, "list-reloaded list=l entries=2\n", 1));
    CHECK_HAS_NOT("a.example");
    CHECK_HAS("b.example");
    kit_replace(&kit, "f", "d.example\n");
    CHECK(kit_noted(&kit, "list-reloaded", 2));
    CHECK_HAS("d.example");
    CHECK_INT(kit.jobs, 2);
    kit_write(&kit, "other", "x");
    kit_run(&kit, NULL, 400);
    CHECK_INT(kit.jobs, 2);
    kit_fini(&kit);
}

TEST(networks_and_maps_are_read_anew)
{
    kit_init(&kit);
    kit_write(&kit, "f", "10.0.0.0/8\n");
    LOAD("cidr \"f\"", "client.ip");
    kit_start(&kit);
    CHECK_HAS("10.0.0.1");
    kit_replace(&kit, "f", "192.0.2.0/24\n");
    CHECK(kit_noted(&kit, "list-reloaded", 1));
    CHECK_HAS_NOT("10.0.0.1");
    CHECK_HAS("192.0.2.1");
    kit_write(&kit, "f", "a.example OK\nb.example REJECT\n");
    LOAD("postfix \"f\" value reject", "helo");
    kit_start(&kit);
    kit_replace(&kit, "f", "a.example REJECT\nb.example OK\n");
    CHECK(kit_noted(&kit, "list-reloaded", 2));
    CHECK_HAS("a.example");
    CHECK_HAS_NOT("b.example");
    kit_fini(&kit);
}

TEST(file_that_is_bad_or_gone_changes_nothing)
{
    kit_init(&kit);
    kit_write(&kit, "f", "a.example\n");
    LOAD("file \"f\"", "helo");
    kit_start(&kit);
    kit_replace(&kit, "f", "b.example\nc d\n");
    CHECK(kit_noted(&kit, "list-kept", 1));
    CHECK(strstr(kit.notes, "f:2:1: more than one word in list \"l\"") != NULL);
    CHECK_HAS("a.example");
    CHECK_HAS_NOT("b.example");
    kit_replace(&kit, "f", "bob@a.example\n");
    CHECK(kit_noted(&kit, "f:1:1: \"bob@a.example\" is not a host name", 1));
    CHECK_HAS("a.example");
    CHECK(unlink(kit_path(&kit, "f")) == 0);
    CHECK(kit_noted(&kit, "No such file", 1));
    CHECK_HAS("a.example");
    kit_write(&kit, "f", "e.example\n");
    CHECK(kit_noted(&kit, "list-reloaded", 1));
    CHECK_HAS("e.example");
    CHECK_HAS_NOT("a.example");
    kit_fini(&kit);
}

/* Somebody writes slowly: nothing is taken before the last line is complete. */
TEST(half_written_file_gets_time_to_become_whole)
{
    kit_init(&kit);
    kit_write(&kit, "f", "a.example\n");
    LOAD("file \"f\"", "helo");
    kit_start(&kit);
    kit_write(&kit, "f", "b.example\nc.exa");
    kit_run(&kit, NULL, 450);
    CHECK_HAS("a.example");
    kit_write(&kit, "f", "b.example\nc.example\n");
    CHECK(kit_noted(&kit, "list-reloaded", 1));
    CHECK_HAS("c.example");
    CHECK_HAS_NOT("c.exa");
    kit_write(&kit, "f", "no-line-end.example"); /* and some files are like that */
    CHECK(kit_noted(&kit, "list-reloaded", 2));
    CHECK_HAS("no-line-end.example");
    kit_fini(&kit);
}

TEST(file_is_followed_without_inotify)
{
    kit_init(&kit);
    kit.has_watch = false;
    kit_write(&kit, "f", "a.example\n");
    LOAD("file \"f\"", "helo");
    kit_start(&kit);
    kit_replace(&kit, "f", "b.example\n");
    kit_run(&kit, NULL, 300);
    CHECK_HAS("a.example");
    kit.clock_skew_ms += 10000;
    CHECK(kit_noted(&kit, "list-reloaded", 1));
    CHECK_HAS("b.example");
    kit_fini(&kit);
}

TEST(link_whose_target_is_elsewhere_is_followed)
{
    kit_init(&kit);
    CHECK(mkdir(kit_path(&kit, "d"), 0700) == 0);
    kit_write(&kit, "d/f", "a.example\n");
    CHECK(symlink("d/f", kit_path(&kit, "f")) == 0);
    LOAD("file \"f\"", "helo");
    kit_start(&kit);
    kit_write(&kit, "d/f", "bb.example\n");
    kit.clock_skew_ms += 60000;
    CHECK(kit_noted(&kit, "list-reloaded", 1));
    CHECK_HAS("bb.example");
    kit_fini(&kit);
}

TEST(list_that_stays_unreadable_is_said_to_be_stale)
{
    kit_init(&kit);
    kit_write(&kit, "f", "a.example\n");
    LOAD("file \"f\"", "helo");
    kit_start(&kit);
    CHECK(unlink(kit_path(&kit, "f")) == 0);
    CHECK(kit_noted(&kit, "list-kept", 1));
    kit.clock_skew_ms += 3600000;
    CHECK(kit_noted(&kit, "list-stale list=l minutes=60", 1));
    CHECK_HAS("a.example");
    kit_fini(&kit);
}

TEST(change_between_load_and_start_is_seen)
{
    kit_init(&kit);
    kit_write(&kit, "f", "a.example\n");
    LOAD("file \"f\"", "helo");
    kit_replace(&kit, "f", "b.example\n");
    kit_start(&kit);
    CHECK(kit_noted(&kit, "list-reloaded", 1));
    CHECK_HAS("b.example");
    kit_fini(&kit);
}

TEST(rules_that_go_while_a_job_runs_leave_nothing_behind)
{
    kit_init(&kit);
    for (unsigned i = 0; i < 5; i++) {
        char other[32];
        snprintf(other, sizeof other, "b%u.example\n", i);
        kit_write(&kit, "f", "a.example\n");
        LOAD("file \"f\"", "helo");
        kit_replace(&kit, "f", other);
        kit_start(&kit);
        kit_run(&kit, NULL, 195 + i * 5);
        kit_unload(&kit); /* checks; the leak checker looks as well */
    }
    kit_fini(&kit);
}

TEST(busy_pool_is_asked_again)
{
    kit_init(&kit);
    kit_write(&kit, "f", "a.example\n");
    LOAD("file \"f\"", "helo");
    kit_start(&kit);
    kit.refuses_jobs = true;
    kit_replace(&kit, "f", "b.example\n");
    kit_run(&kit, NULL, 500);
    CHECK_HAS("a.example");
    kit.refuses_jobs = false;
    CHECK(kit_noted(&kit, "list-reloaded", 1));
    CHECK_HAS("b.example");
    kit_fini(&kit);
}

TEST(pattern_files_wait_for_the_rules)
{
    kit_init(&kit);
    kit_write(&kit, "f", "/a/\n");
    LOAD("regex \"f\"", "subject");
    kit_start(&kit);
    kit_replace(&kit, "f", "/b/\n");
    CHECK(kit_noted(&kit, "patterns are read when the rules are loaded anew", 1));
    CHECK_HAS("a");
    CHECK_HAS_NOT("b");
    kit_fini(&kit);
}

TEST(hits_and_reloads_are_counted)
{
    kit_init(&kit);
    kit_write(&kit, "f", "a.example\n");
    LOAD("file \"f\"", "helo");
    kit_start(&kit);
    CHECK_MEM(kit.instance.counters, strlen(kit.instance.counters),
              "list.l.hits\nlist.l.reloads\nlist.l.failures\n");
    CHECK_HAS("a.example");
    CHECK_HAS("a.example");
    CHECK_HAS_NOT("b.example");
    CHECK_INT(kit.tallies[0], 2);
    kit_replace(&kit, "f", "b.example\n");
    CHECK(kit_noted(&kit, "list-reloaded", 1));
    CHECK_INT(kit.tallies[1], 1);
    CHECK_INT(kit.tallies[2], 0);
    kit_fini(&kit);
}
