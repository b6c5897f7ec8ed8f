/* date.c - the Date field as a time. RFC 5322 3.3, with what 4.3 allows: two-digit years, comments,
 * zones by name. Days are counted by Howard Hinnant's civil calendar algorithm. */
#include "values.h"

/* Blanks, line ends and comments (nested, with \ quoting) off the front. */
static void skip_blanks(struct mw_slice *rest)
{
    size_t depth = 0, at = 0;
    for (; at < rest->len; at++) {
        char c = rest->ptr[at];
        if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (c == '\\' && depth > 0)
            at++;
        else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            break;
    }
    *rest = text_skip(*rest, at);
}

static bool is_letter(char c)
{
    return text_lower(c) >= 'a' && text_lower(c) <= 'z';
}

static struct mw_slice take_letters(struct mw_slice *rest)
{
    size_t len = 0;
    skip_blanks(rest);
    while (len < rest->len && is_letter(rest->ptr[len]))
        len++;
    struct mw_slice word = SLICE(rest->ptr, len);
    *rest = text_skip(*rest, len);
    return word;
}

/* A number of `least` to `most` digits. */
static bool take_number(struct mw_slice *rest, size_t least, size_t most, int64_t *out,
                        size_t *out_digits)
{
    size_t len = 0;
    uint64_t number = 0;
    skip_blanks(rest);
    while (len < rest->len && text_is_digit(rest->ptr[len]))
        len++;
    if (len < least || len > most || !text_number(SLICE(rest->ptr, len), 99999, &number))
        return false;
    *rest = text_skip(*rest, len);
    *out = (int64_t)number;
    *out_digits = len;
    return true;
}

static bool take_sign(struct mw_slice *rest, char sign)
{
    skip_blanks(rest);
    if (rest->len == 0 || rest->ptr[0] != sign)
        return false;
    *rest = text_skip(*rest, 1);
    return true;
}

static bool take_month(struct mw_slice *rest, int64_t *out)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    struct mw_slice word = take_letters(rest);
    for (int64_t month = 0; month < 12 && word.len >= 3; month++)
        if (text_ieq(SLICE(word.ptr, 3), SLICE(names + month * 3, 3))) {
            *out = month + 1;
            return true;
        }
    return false;
}

/* RFC 5322 4.3: 00 to 49 is 2000 and later, 50 to 999 is 1900 and later. */
static bool take_year(struct mw_slice *rest, int64_t *out)
{
    size_t digits;
    if (!take_number(rest, 2, 5, out, &digits))
        return false;
    if (digits == 2 && *out < 50)
        *out += 2000;
    else if (digits < 4)
        *out += 1900;
    return true;
}

static bool take_time(struct mw_slice *rest, int64_t *out)
{
    int64_t hour, minute, second = 0;
    size_t digits;
    if (!take_number(rest, 1, 2, &hour, &digits) || !take_sign(rest, ':') ||
        !take_number(rest, 1, 2, &minute, &digits))
        return false;
    if (take_sign(rest, ':') && !take_number(rest, 1, 2, &second, &digits))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    *out = hour * 3600 + minute * 60 + second;
    return true;
}

/* Seconds east of UTC. A zone that is not known is -0000, as 4.3 says of the military ones. */
static bool take_zone(struct mw_slice *rest, int64_t *out)
{
    static const struct {
        const char *name;
        int hours;
    } zones[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
                 {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
    int64_t number = 0;
    size_t digits;
    bool is_west = take_sign(rest, '-');
    *out = 0;
    if (is_west || take_sign(rest, '+')) {
        if (!take_number(rest, 4, 4, &number, &digits) || number % 100 > 59)
            return false;
        *out = (number / 100 * 3600 + number % 100 * 60) * (is_west ? -1 : 1);
        return true;
    }
    struct mw_slice name = take_letters(rest);
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
        if (text_ieq(name, slice_of(zones[i].name)))
            *out = zones[i].hours * 3600;
    return true;
}

static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month > 2 ? year : year - 1, month_at = (month + 9) % 12;
    int64_t days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400;
    return days + (153 * month_at + 2) / 5 + day - 1 - 719468;
}

bool rules_date(struct mw_slice value, int64_t *out_seconds)
{
    struct mw_slice rest = value;
    int64_t day, month, year, time, zone;
    size_t digits;
    skip_blanks(&rest);
    if (rest.len > 0 && is_letter(rest.ptr[0])) {
        take_letters(&rest);
        take_sign(&rest, ',');
    }
    if (!take_number(&rest, 1, 2, &day, &digits) || day < 1 || day > 31 ||
        !take_month(&rest, &month) || !take_year(&rest, &year) || year < 1900 ||
        !take_time(&rest, &time) || !take_zone(&rest, &zone))
        return false;
    *out_seconds = days_of(year, month, day) * 86400 + time - zone;
    return true;
}
