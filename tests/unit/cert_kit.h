/* cert_kit.h - certificates and keys made for a test, as PEM files in the working directory. */
#ifndef MW_TEST_CERT_KIT_H
#define MW_TEST_CERT_KIT_H

/* A self-signed P-256 certificate for the DNS name `name`, valid from a day ago (or 400 days ago,
 * where `days` is negative) until `days` and a half from now, as `file`.pem and `file`.key. Ends
 * the test on failure. */
void cert_make(const char *file, const char *name, int days);

#endif
