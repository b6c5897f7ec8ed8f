/* domain.c - see domain.h. Labels are looked at one by one: only those with octets above ASCII see libidn2, so that "_spf" and
 * labels of an older IDNA pass as they are. What libidn2 gives back is checked like any other text: U+3002 and its kin are dots to it. */
#include "domain.h"

#include <stdlib.h>

#include <idn2.h>

enum {
    TEXT_MAX = 4 * DOMAIN_MAX, /* octets of UTF-8 that could still become a name */
    U_LABEL_MAX = 4 * DOMAIN_LABEL_MAX
};

struct domain_form {
    char *out;
    size_t len;
};

static bool is_label_octet(char c)
{
    return (c >= 'a' && c <= 'z') || text_is_digit(c) || c == '-' || c == '_';
}

/* Without the dot in front of the first label. */
static bool put_label(struct domain_form *form, struct mw_slice label)
{
    size_t dot = form->len > 0 ? 1 : 0;
    if (label.len == 0 || label.len > DOMAIN_LABEL_MAX || form->len + dot + label.len > DOMAIN_MAX)
        return false;
    if (dot > 0)
        form->out[form->len++] = '.';
    for (size_t i = 0; i < label.len; i++) {
        char c = text_lower(label.ptr[i]);
        if (!is_label_octet(c))
            return false;
        form->out[form->len++] = c;
    }
    return true;
}

static struct mw_slice next_label(struct mw_slice *rest)
{
    ptrdiff_t dot = text_find(*rest, '.');
    struct mw_slice label = dot < 0 ? *rest : SLICE(rest->ptr, (size_t)dot);
    *rest = dot < 0 ? SLICE(NULL, 0) : SLICE(rest->ptr + dot + 1, rest->len - (size_t)dot - 1);
    return label;
}

static bool put_ascii(struct domain_form *form, struct mw_slice text)
{
    while (text.ptr != NULL)
        if (!put_label(form, next_label(&text)))
            return false;
    return true;
}

/* RFC 5891 5: the lookup protocol, with the mappings of UTS 46. */
static bool put_u_label(struct domain_form *form, struct mw_slice label)
{
    char text[U_LABEL_MAX + 1];
    char *ascii = NULL;
    if (label.len > U_LABEL_MAX || text_utf8_len(label) != label.len || text_find(label, '\0') >= 0)
        return false;
    memcpy(text, label.ptr, label.len);
    text[label.len] = '\0';
    bool is_put = idn2_to_ascii_8z(text, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) ==
                      IDN2_OK &&
                  put_ascii(form, slice_of(ascii));
    idn2_free(ascii);
    return is_put;
}

static bool is_ascii(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

size_t domain_normalize(struct mw_slice text, char out[DOMAIN_MAX + 1])
{
    struct domain_form form = {.out = out};
    if (text.len > 0 && text.ptr[text.len - 1] == '.')
        text.len--;
    if (text.len == 0 || text.len > TEXT_MAX)
        return 0;
    while (text.ptr != NULL) {
        struct mw_slice label = next_label(&text);
        if (!(is_ascii(label) ? put_label(&form, label) : put_u_label(&form, label)))
            return 0;
    }
    out[form.len] = '\0';
    return form.len;
}

size_t domain_labels(struct mw_slice domain)
{
    size_t labels = domain.len > 0 ? 1 : 0;
    for (size_t i = 0; i < domain.len; i++)
        labels += domain.ptr[i] == '.';
    return labels;
}

struct mw_slice domain_parent(struct mw_slice domain, size_t count)
{
    for (; count > 0 && domain.len > 0; count--) {
        ptrdiff_t dot = text_find(domain, '.');
        domain = dot < 0 ? EMPTY : text_skip(domain, (size_t)dot + 1);
    }
    return domain;
}

bool domain_is_below(struct mw_slice domain, struct mw_slice of)
{
    if (of.len == 0 || domain.len < of.len)
        return false;
    size_t above = domain.len - of.len;
    return text_eq(text_skip(domain, above), of) && (above == 0 || domain.ptr[above - 1] == '.');
}

bool domain_fits(const struct domain *domain, struct mw_slice name)
{
    return domain->is_below ? domain_is_below(name, domain->name) : text_eq(name, domain->name);
}
