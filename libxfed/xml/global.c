#include <libxml/parser.h>

#include "xfed/mem.h"
#include "xml/reader.h"

/*
 * libxml2 does not report all failed allocations, so the allocator remembers them, and callers ask afterwards. Per thread, because readers
 * may be used on different threads.
 */
static _Thread_local bool is_nomem;
static bool is_ready;

static void *note(void *p)
{
	if (!p) {
		is_nomem = true;
	}
	return p;
}

static void *xml_malloc(size_t size)
{
	return note(xfed_malloc(size));
}

static void *xml_realloc(void *p, size_t size)
{
	return note(xfed_realloc(p, size > 0 ? size : 1));
}

static void xml_free(void *p)
{
	xfed_free(p);
}

static char *xml_strdup(const char *s)
{
	return note(xfed_strdup(s));
}

bool xml_global_take_nomem(void)
{
	bool was = is_nomem;
	is_nomem = false;
	return was;
}

static void ignore_error(void *user, xmlErrorPtr error)
{
}

int xfed_xml_global_init(void)
{
	if (is_ready) {
		return XFED_OK;
	}
	if (xmlMemSetup(xml_free, xml_malloc, xml_realloc, xml_strdup) != 0) {
		return XFED_ERR_LIBRARY;
	}
	xmlInitParser();
	/* Otherwise errors outside a parser go to stderr; the handler is per thread. */
	xmlSetStructuredErrorFunc(NULL, ignore_error);
	xmlThrDefSetStructuredErrorFunc(NULL, ignore_error);
	is_ready = true;
	return xml_global_take_nomem() ? XFED_ERR_NOMEM : XFED_OK;
}

void xfed_xml_global_deinit(void)
{
	if (is_ready) {
		xmlCleanupParser();
		is_ready = false;
	}
}
