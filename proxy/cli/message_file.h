/* message_file.h - a whole message from a file, for the tools. */
#ifndef MW_CLI_MESSAGE_FILE_H
#define MW_CLI_MESSAGE_FILE_H

#include <stdio.h>

#include "base/buf.h"

enum { MW_MESSAGE_FILE_MAX = 256 * 1024 * 1024 };

/* A message's file, "-" for standard input; *path becomes what to call it. NULL: it was said on
 * stderr why not. Close it with the other. */
FILE *mw_message_file_open(const char **path);
void mw_message_file_close(FILE *in);
/* Appends the file's octets ("-": standard input). False: it was said on stderr why not. */
bool mw_message_file_read(const char *path, struct mw_buf *out);
/* The envelope that the header remembers: Return-Path (or X-Envelope-From) and Delivered-To,
 * X-Original-To, Envelope-To, else the first address of To; the client of the topmost Received field
 * that names one, "198.51.100.7" or "IPv6:...". Empty: not there. Views into `message`. */
struct mw_message_envelope {
    struct mw_slice sender, rcpt, client, helo;
    bool has_sender; /* also the null sender, "<>" */
};
void mw_message_file_envelope(struct mw_slice message, struct mw_message_envelope *out_envelope);

#endif
