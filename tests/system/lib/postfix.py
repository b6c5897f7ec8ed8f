"""A real Postfix of the test's own: configuration, queue, log and mailboxes in a temporary directory.

The defaults are Debian's (Postfix 3.7: bare newlines allowed, lenient), so that what arrives shows what mailweir sent.
Services, each on a port of its own:

  plain     no identity conveyed; every client is the peer's address
  xclient   recipe 1a: XCLIENT and XFORWARD from loopback
  proxy     recipe 1b: PROXY protocol
  strict    as plain, bare newlines and premature pipelining forbidden

Users of example.test: alice, bob, carol, dave, postmaster. Special recipients: defer@ (450), refuse@ (550), everybody
else 550 5.1.1. Special senders: blocked@example.org (554). Relaying for strangers is refused.

Postfix must be started by root; where the test is not root, or Postfix is not installed, `start()` skips with a notice.
"""
import grp
import os
import re
import pwd
import unittest

import harness
from harness import notice, temp_dir, wait_for

DOMAIN = "example.test"
USERS = ("alice", "bob", "carol", "dave", "postmaster")
HOSTNAME = "mx.example.test"
DAEMONS = "/usr/lib/postfix/sbin"
MESSAGE_LIMIT = 20480000

MAIN_CF = """
compatibility_level = 3.6
config_directory = {dir}/conf
queue_directory = {dir}/queue
data_directory = {dir}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/log/mail.log
maillog_file_prefixes = {dir}
mailbox_size_limit = 0
message_size_limit = {message_limit}
myhostname = {hostname}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = all
mynetworks = 127.0.0.0/8
smtpd_banner = $myhostname ESMTP $mail_name
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtp_host_lookup = native
notify_classes =
biff = no
append_dot_mydomain = no
local_header_rewrite_clients =
queue_run_delay = 3s
minimal_backoff_time = 3s
maximal_backoff_time = 6s
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 100
smtpd_hard_error_limit = 100
smtpd_client_connection_count_limit = 0
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_sender_restrictions = check_sender_access inline:{{ {{blocked@example.org=554 5.7.1 sender is blocked here}} }}
smtpd_recipient_restrictions =
    check_recipient_access inline:{{ {{defer@{domain}=450 4.2.1 come back later}} {{refuse@{domain}=550 5.7.1 not wanted}} }}
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = inline:{{ {users} }}
virtual_mailbox_base = {dir}/mail
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_transport = virtual
{more}
"""

# What must not stand twice in main.cf: postlogd warns about it, to itself, and may then wait for itself for ever.
NOWHERE = "default_transport = discard:\nrelay_transport = discard:\n"


MASTER_CF = """
{services}
pickup     unix  n       -       n       60      1       pickup
cleanup    unix  n       -       n       -       0       cleanup
qmgr       unix  n       -       n       300     1       qmgr
tlsmgr     unix  -       -       n       1000?   1       tlsmgr
rewrite    unix  -       -       n       -       -       trivial-rewrite
bounce     unix  -       -       n       -       0       bounce
defer      unix  -       -       n       -       0       bounce
trace      unix  -       -       n       -       0       bounce
verify     unix  -       -       n       -       1       verify
flush      unix  n       -       n       1000?   0       flush
proxymap   unix  -       -       n       -       -       proxymap
smtp       unix  -       -       n       -       -       smtp
relay      unix  -       -       n       -       -       smtp
showq      unix  n       -       n       -       -       showq
error      unix  -       -       n       -       -       error
retry      unix  -       -       n       -       -       error
discard    unix  -       -       n       -       -       discard
virtual    unix  -       n       n       -       -       virtual
anvil      unix  -       -       n       -       1       anvil
scache     unix  -       -       n       -       1       scache
postlog    unix-dgram n  -       n       -       1       postlogd
"""

SERVICES = {
    "plain": "",
    "xclient": " -o smtpd_authorized_xclient_hosts=127.0.0.1 -o smtpd_authorized_xforward_hosts=127.0.0.1",
    "proxy": " -o smtpd_upstream_proxy_protocol=haproxy -o smtpd_upstream_proxy_timeout=5s",
    "strict": " -o smtpd_forbid_bare_newline=yes -o smtpd_forbid_bare_newline_exclusions="
              " -o smtpd_forbid_unauth_pipelining=yes",
}

# What a queue directory holds: name, owner is postfix, mode, group is postdrop.
QUEUE = [("active", True, 0o700, False), ("bounce", True, 0o700, False), ("corrupt", True, 0o700, False),
         ("defer", True, 0o700, False), ("deferred", True, 0o700, False), ("flush", True, 0o700, False),
         ("hold", True, 0o700, False), ("incoming", True, 0o700, False), ("private", True, 0o700, False),
         ("saved", True, 0o700, False), ("trace", True, 0o700, False), ("pid", False, 0o755, False),
         ("maildrop", True, 0o1730, True), ("public", True, 0o2710, True)]


def available():
    """Why Postfix cannot be started here; empty if it can."""
    if os.geteuid() != 0:
        return "not root: Postfix cannot be started"
    if not os.path.exists(os.path.join(DAEMONS, "master")):
        return "Postfix is not installed"
    return ""


def start(**settings):
    """A running Postfix, or unittest.SkipTest with a notice."""
    reason = available()
    if reason:
        notice(reason + "; the suite is skipped")
        raise unittest.SkipTest("NOTICE: " + reason)
    return Postfix(**settings)


class Postfix:
    def __init__(self, name="postfix", hostname=HOSTNAME, domain=DOMAIN, more=NOWHERE, services=None):
        self.directory = temp_dir(name)
        self.domain = domain
        self.ports = {}
        self.log_path = os.path.join(self.directory, "log", "mail.log")
        self._make_directories()
        users = " ".join("{%s@%s=%s/}" % (user, domain, user) for user in USERS)
        self._write("conf/main.cf", MAIN_CF.format(dir=self.directory, daemons=DAEMONS, hostname=hostname,
                                                   domain=domain, users=users, uid=65534, gid=65534, more=more,
                                                   message_limit=MESSAGE_LIMIT))
        self._write("conf/master.cf", MASTER_CF.format(services=self._services(services or SERVICES)))
        self.process = harness.Process([os.path.join(DAEMONS, "master"), "-c", self.directory + "/conf", "-d"],
                                       name, self.directory + "/log", guarded=True)
        for port in self.ports.values():
            wait_for(lambda p=port: harness.accepts(p) or not self.process.alive(), 20.0,
                     lambda: "Postfix on port %d:\n%s%s" % (port, self.process.log(), self.log()))
        if not self.process.alive():
            raise AssertionError("Postfix ended at start:\n" + self.process.log() + self.log())

    def _make_directories(self):
        postfix = pwd.getpwnam("postfix").pw_uid
        postdrop = grp.getgrnam("postdrop").gr_gid
        for sub in ("conf", "queue", "log"):
            os.mkdir(os.path.join(self.directory, sub))
        for sub, owner in (("data", postfix), ("mail", 65534)):
            os.mkdir(os.path.join(self.directory, sub), 0o700)
            os.chown(os.path.join(self.directory, sub), owner, -1)
        for sub, owned, mode, drop in QUEUE:
            path = os.path.join(self.directory, "queue", sub)
            os.mkdir(path)
            os.chown(path, postfix if owned else 0, postdrop if drop else -1)
            os.chmod(path, mode)

    def _write(self, path, text):
        with open(os.path.join(self.directory, path), "w", encoding="ascii") as file:
            file.write(text)

    def _services(self, services):
        lines = []
        for name, options in services.items():
            self.ports[name] = harness.free_port()
            lines.append("127.0.0.1:%d inet n - n - 200 smtpd -o syslog_name=postfix/%s%s"
                         % (self.ports[name], name, options))
        return "\n".join(lines)

    def stop(self):
        self.process.stop()

    # ---- log

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="backslashreplace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def mark(self):
        return len(self.log())

    def wait_log(self, pattern, start=0, timeout=10.0):
        return wait_for(lambda: re.search(pattern, self.log()[start:], re.M), timeout,
                        lambda: "%r in Postfix's log:\n%s" % (pattern, self.log()[start:][-4000:]))

    # ---- mailboxes

    def _files(self, user):
        new = os.path.join(self.directory, "mail", user, "new")
        try:
            names = os.listdir(new)
        except FileNotFoundError:
            return []
        return [os.path.join(new, name) for name in names]

    def empty(self, *users):
        """Forgets what was delivered so far."""
        for user in users or USERS:
            for path in self._files(user):
                os.unlink(path)

    def count(self, user="alice"):
        return len(self._files(user))

    def take(self, user="alice", count=1, timeout=20.0):
        """Waits for at least `count` messages, removes and returns all as Delivered, in order of arrival."""
        try:
            wait_for(lambda: self.count(user) >= count, timeout)
        except AssertionError:
            raise AssertionError("%s has %d messages, expected %d; Postfix's log:\n%s"
                                 % (user, self.count(user), count, self.log()[-4000:])) from None
        found = []
        for path in sorted(self._files(user), key=lambda p: os.stat(p).st_mtime_ns):
            with open(path, "rb") as file:
                found.append(Delivered(file.read()))
            os.unlink(path)
        return found

    def take_one(self, user="alice", timeout=20.0):
        found = self.take(user, 1, timeout)
        if len(found) != 1:
            raise AssertionError("%s has %d messages, expected one" % (user, len(found)))
        return found[0]

    def queue_is_empty(self):
        """Nothing waits for delivery. Looked at in the order in which files move on, so that none is missed; twice, since from the
        deferred queue they go back."""
        return not self._has_queued() and not self._has_queued()

    def _has_queued(self):
        for sub in ("maildrop", "incoming", "active", "deferred"):
            for _, _, files in os.walk(os.path.join(self.directory, "queue", sub)):
                if files:
                    return True
        return False

    def settle(self, timeout=20.0):
        """Waits until all that was accepted is delivered, and the log has it: then what is not in a mailbox was not accepted."""
        wait_for(self.queue_is_empty, timeout, lambda: "empty queue; log:\n" + self.log()[-3000:])
        wait_for(self._is_log_complete, timeout, lambda: "the end of each message in the log:\n" + self.log()[-3000:])

    def _is_log_complete(self):
        """postlogd writes it, a process of its own."""
        log = self.log()
        return set(re.findall(r"qmgr\[\d+\]: (\w+): from=<.*\(queue active\)$", log, re.M)) <= \
            set(re.findall(r"qmgr\[\d+\]: (\w+): removed$", log, re.M))


class Delivered:
    """A message from a mailbox: Postfix's trace fields apart from what the client sent (LF line ends)."""

    TRACE = (b"return-path:", b"x-original-to:", b"delivered-to:")

    def __init__(self, octets):
        lines = octets.split(b"\n")
        i = 0
        self.trace = []
        while i < len(lines) and lines[i].lower().startswith(self.TRACE):
            self.trace.append(lines[i])
            i += 1
        if i < len(lines) and lines[i].lower().startswith(b"received:"):
            received = [lines[i]]
            i += 1
            while i < len(lines) and lines[i][:1] in (b" ", b"\t"):
                received.append(lines[i])
                i += 1
            self.received = b"\n".join(received).decode("utf-8", "backslashreplace")
        else:
            self.received = ""
        self.rest = b"\n".join(lines[i:])
        self.whole = octets

    def header(self, name):
        """All values of a header field of the client's part, unfolded."""
        head = self.rest.split(b"\n\n", 1)[0].decode("utf-8", "surrogateescape")
        return re.findall(r"(?im)^%s:[ \t]*(.*(?:\n[ \t].*)*)" % re.escape(name), head)

    @property
    def body(self):
        return self.rest.partition(b"\n\n")[2]


def as_delivered(message):
    """The octets a mailbox must hold for a CRLF message that was sent."""
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    return message.replace(b"\r\n", b"\n")


def normalize_reply(octets):
    """Replies with what differs between two equal sessions (queue ids) made equal."""
    return re.sub(rb"queued as [0-9A-Za-z]+", b"queued as ID", octets)
