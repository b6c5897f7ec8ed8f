/* banned.h - functions that have no place in this code base, made to fail at compile time.
 * Force-included into every file of proxy/ and filters/ by the build; tests/lint/layers.cmake looks
 * as well. System headers come first, because poisoning a name that they still have to declare
 * would break them. */
#ifndef MW_BASE_BANNED_H
#define MW_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat strtok sprintf vsprintf gets atoi atol atoll
#undef alloca
#pragma GCC poison strtol strtoul strtoll strtoull sscanf gmtime localtime alloca

#endif
