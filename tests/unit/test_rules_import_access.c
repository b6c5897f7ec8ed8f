/* test_rules_import_access.c - Postfix's access tables, of keys, networks and patterns, as rules:
 * the exact text, what is left out and why, what the rules do. */
#include "import_kit.h"
#include "test.h"

TEST(the_most_specific_key_wins)
{
    IMPORTS(
        "postfix", "client",
        "1.2.3 REJECT\n1.2.3.4 DUNNO\nexample.com 450 4.7.1 slow\ngood.example.com DUNNO\n"
        "unknown 550 who\n2001:db8:0 REJECT\nx@y REJECT\nExample.COM OK\n",
        "list t-domains = example.com, .example.com, good.example.com, .good.example.com "
        "t-1: reject 554 5.7.1 \"Client host rejected: Access denied\" when client.ip in "
        "(1.2.3.0/24) and client.ip not in (1.2.3.4) and client.name not in t-domains and "
        "client.name is not empty\n"
        "t-3: defer 450 4.7.1 \"Client host rejected: slow\" when client.name in (example.com, "
        ".example.com) and client.name not in (good.example.com, .good.example.com)\n"
        "t-5: reject 550 5.7.1 \"Client host rejected: who\" when client.name is empty\n"
        "6: Postfix compares IPv6 networks as texts, which a group of zeros makes unsure: write "
        "a cidr table\n"
        "7: the key is neither a domain nor an address that Postfix would look up\n"
        "8: the key stands above already, and that entry counts\n");
    HOLDS("postfix", "client",
          "1.2.3 REJECT\n1.2.3.4 DUNNO\nexample.com 450 4.7.1 slow\ngood.example.com DUNNO\n",
          "test \"net\" { client 1.2.3.5 name a.example expect reject 554 by t-1 }\n"
          "test \"one\" { client 1.2.3.4 name a.example expect accept }\n"
          "test \"name goes first\" { client 1.2.3.5 name x.good.example.com expect accept }\n"
          "test \"below\" { client 1.2.3.5 name x.example.com expect defer 450 by t-3 }\n"
          "test \"itself\" { client 192.0.2.1 name example.com expect defer 450 by t-3 }\n"
          "test \"other\" { client 192.0.2.1 name anexample.com expect accept }\n");
}

TEST(mail_addresses_domains_and_users)
{
    IMPORTS(
        "postfix:hash", "sender",
        "<> REJECT\nBob+x@Example.COM 550 5.1.8 bob\nexample.com REJECT\nok@example.com OK\n"
        "spam@ 554 go\n@x.example REJECT\n123 456\n",
        "list t-domains = example.com, .example.com, 123, .123 "
        "t-1: reject 554 5.7.1 \"Sender address rejected: Access denied\" when sender is empty\n"
        "t-2: reject 550 5.1.8 \"Sender address rejected: bob\" when sender =~ "
        "/\\Abob\\+x@example\\.com\\z/i\n"
        "t-3: reject 554 5.7.1 \"Sender address rejected: Access denied\" when sender.domain in "
        "(example.com, .example.com) and sender !~ "
        "/\\A(?:ok@example\\.com|bob\\+x@example\\.com)\\z/i\n"
        "t-5: reject 554 5.7.1 \"Sender address rejected: go\" when sender =~ /\\Aspam@[^@]*\\z/i "
        "and sender.domain not in t-domains\n"
        "4: carried over; OK exempts from this table only, and not from whatever else stands in "
        "the same restrictions of Postfix\n"
        "6: Postfix looks no such key up: write the domain without '@'\n");
    HOLDS("postfix", "recipient", "ok@example.com DUNNO\nexample.com 450 x\nspam@ 554 go\n",
          "test \"ok\" { to <OK@example.com>, <b@example.com> expect accept for <OK@example.com> "
          "expect defer 450 for <b@example.com> }\n"
          "test \"user\" { to <spam@other.example> expect reject 554 by t-3 }\n"
          "test \"domain goes first\" { to <spam@example.com> expect defer 450 by t-2 }\n");
}

TEST(a_leading_dot_changes_what_plain_domains_match)
{
    IMPORTS("postfix", "helo",
            "example.com REJECT\n.example.com 521 off\n[192.0.2.1] DISCARD fake\n",
            "t-1: reject 554 5.7.1 \"Helo command rejected: Access denied\" when helo == "
            "\"example.com\"\n"
            "t-2: disconnect 521 5.7.1 \"Helo command rejected: off\" when helo in (.example.com)\n"
            "t-3: discard reason \"fake\" when helo == \"[192.0.2.1]\"\n"
            "2: carried over; because of this key plain domains of the table match themselves only "
            "(parent_domain_matches_subdomains without smtpd_access_maps)\n");
}

TEST(networks_go_by_their_order)
{
    IMPORTS(
        "postfix", "client",
        "10.0.0.0/8 DUNNO\n10.1.0.0/16 REJECT\nif 192.168.0.0/16\n192.168.1.1 DUNNO\n"
        "!192.168.2.0/24 REJECT a\nendif\n[2001:db8::]/32 REJECT\n0.0.0.0/0 421 bye\n"
        "192.168.1.0/8 REJECT\nif x\n1.2.3.4 REJECT\nendif\n",
        "t-2: reject 554 5.7.1 \"Client host rejected: Access denied\" when client.ip in "
        "(10.1.0.0/16) and client.ip not in (10.0.0.0/8)\n"
        "t-5: reject 554 5.7.1 \"Client host rejected: a\" when client.ip not in (192.168.2.0/24) "
        "and client.ip in (192.168.0.0/16) and client.ip not in (10.0.0.0/8) and not (client.ip "
        "in (192.168.1.1) and client.ip in (192.168.0.0/16))\n"
        "t-8: disconnect 421 4.7.1 \"Client host rejected: bye\" when client.ip in (0.0.0.0/0) "
        "and client.ip not in (10.0.0.0/8) and not (client.ip in (192.168.1.1) and client.ip in "
        "(192.168.0.0/16))\n"
        "7: the address is not understood\n"
        "9: bits behind the network's prefix are set, so Postfix ignores the entry\n"
        "10: the address is not understood\n"
        "11: the block around it is not carried over\n");
    HOLDS("postfix:cidr", "client",
          "10.0.0.0/8 DUNNO\nif 192.168.0.0/16\n192.168.1.1 DUNNO\n!192.168.2.0/24 REJECT\nendif\n"
          "0.0.0.0/0 450 x\n",
          "test \"a\" { client 10.1.1.1 expect accept }\n"
          "test \"b\" { client 192.168.1.1 expect accept }\n"
          "test \"c\" { client 192.168.3.1 expect reject by t-4 }\n"
          "test \"d\" { client 192.168.2.1 expect defer by t-6 }\n"
          "test \"e\" { client 2001:db8::1 expect accept }\n");
}

TEST(patterns_over_names_and_addresses)
{
    IMPORTS("postfix", "client", "/^unknown$/ REJECT\n/\\.dyn\\.example$/ 450 x\n/^10\\./ REJECT\n",
            "t-1: reject 554 5.7.1 \"Client host rejected: Access denied\" when client.name =~ "
            "/^unknown$/is or client.name is empty\n"
            "t-2: defer 450 4.7.1 \"Client host rejected: x\" when client.name =~ "
            "/\\.dyn\\.example$/is\n"
            "3: it may match addresses as well as names: write it as networks, in a cidr table\n");
    HOLDS("postfix", "sender",
          "/^(.*)-outgoing@(.*)$/ 550 Use ${1}@${2} instead\n/^postmaster@/ OK\n/[%!@].*[%!@]/ 550 "
          "x\n"
          "/^<>$/ 450 null\n/^[^@]*$/ 554 y\n",
          "test \"a\" { from <l-outgoing@b.example> expect reject 550 by t-1 }\n"
          "test \"b\" { from <a%b@c.example> expect reject 550 by t-3 }\n"
          "test \"c\" { from <postmaster@a%b.example> expect accept }\n"
          "test \"d\" { from <> expect defer 450 by t-4 }\n"
          "test \"e\" { from <plain> expect reject 554 by t-5 }\n");
}
