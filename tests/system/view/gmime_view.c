/* gmime_view.c - a message as GMime reads it, one JSON object a file: the second oracle of
 * test_view.py. For tests only; nothing of it is in the product.
 *
 *   gmime_view FILE...     prints one line for each */
#include <gmime/gmime.h>
#include <stdio.h>
#include <string.h>

static void put_string(const char *text)
{
    putchar('"');
    for (; text != NULL && *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < ' ')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void put_addresses(const char *key, InternetAddressList *list, gboolean *has_comma);

static void put_list(InternetAddressList *list, gboolean *has_comma)
{
    for (int i = 0; list != NULL && i < internet_address_list_length(list); i++) {
        InternetAddress *address = internet_address_list_get_address(list, i);
        if (INTERNET_ADDRESS_IS_GROUP(address)) {
            put_list(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)),
                     has_comma);
            continue;
        }
        printf("%s{\"address\":", *has_comma ? "," : "");
        put_string(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address)));
        printf(",\"name\":");
        put_string(internet_address_get_name(address));
        putchar('}');
        *has_comma = TRUE;
    }
}

static void put_addresses(const char *key, InternetAddressList *list, gboolean *has_comma)
{
    gboolean inner = FALSE;
    (void)has_comma;
    printf(",\"%s\":[", key);
    put_list(list, &inner);
    putchar(']');
}

static void put_part(GMimePart *part, gboolean has_comma)
{
    GMimeStream *stream = g_mime_stream_mem_new();
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    GMimeContentType *type = g_mime_object_get_content_type(GMIME_OBJECT(part));
    char *mime = g_mime_content_type_get_mime_type(type);
    if (content != NULL)
        g_mime_data_wrapper_write_to_stream(content, stream);
    GByteArray *octets = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    char *lower = g_ascii_strdown(mime, -1);
    char *sha = g_compute_checksum_for_data(G_CHECKSUM_SHA256, octets->data, octets->len);
    printf("%s{\"type\":", has_comma ? "," : "");
    put_string(lower);
    printf(",\"name\":");
    put_string(g_mime_part_get_filename(part));
    printf(",\"size\":%u,\"sha256\":\"%s\"}", octets->len, sha);
    g_free(sha);
    g_free(lower);
    g_free(mime);
    g_object_unref(stream);
}

static gboolean put_leaves(GMimeObject *object, gboolean has_comma)
{
    if (object == NULL)
        return has_comma;
    if (GMIME_IS_MESSAGE_PART(object)) {
        GMimeMessage *message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
        return message == NULL ? has_comma
                               : put_leaves(g_mime_message_get_mime_part(message), has_comma);
    }
    if (GMIME_IS_MULTIPART(object)) {
        for (int i = 0; i < g_mime_multipart_get_count(GMIME_MULTIPART(object)); i++)
            has_comma = put_leaves(g_mime_multipart_get_part(GMIME_MULTIPART(object), i),
                                   has_comma);
        return has_comma;
    }
    if (GMIME_IS_PART(object)) {
        put_part(GMIME_PART(object), has_comma);
        return TRUE;
    }
    return has_comma;
}

static void view(const char *path)
{
    GMimeStream *stream = g_mime_stream_file_open(path, "r", NULL);
    GMimeParser *parser = stream == NULL ? NULL : g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = parser == NULL ? NULL : g_mime_parser_construct_message(parser, NULL);
    if (message == NULL) {
        printf("{}\n");
    } else {
        printf("{\"subject\":");
        put_string(g_mime_message_get_subject(message));
        put_addresses("from", g_mime_message_get_from(message), NULL);
        put_addresses("to", g_mime_message_get_to(message), NULL);
        put_addresses("cc", g_mime_message_get_cc(message), NULL);
        printf(",\"parts\":[");
        put_leaves(g_mime_message_get_mime_part(message), FALSE);
        printf("]}\n");
        g_object_unref(message);
    }
    if (parser != NULL)
        g_object_unref(parser);
    if (stream != NULL)
        g_object_unref(stream);
}

int main(int argc, char **argv)
{
    g_mime_init();
    for (int i = 1; i < argc; i++)
        view(argv[i]);
    g_mime_shutdown();
    return 0;
}
