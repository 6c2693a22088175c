/* Elements from XML, actions as text, and an allocator that fails on demand, for the tests of
 * dialback. */
#ifndef TESTS_UNIT_DIALBACK_SUPPORT_H
#define TESTS_UNIT_DIALBACK_SUPPORT_H

#include "xfed/dialback.h"
#include "xfed/limits.h"

/* The secrets of XEP-0220 section 2 as hashes, and the keys of its examples. */
#define CAPULET_HASH "a7136eb1f46c9ef18c5e78c36ca257067c69b3d518285f0b18a96c33beae9acc"
#define CAPULET_KEY  "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"
#define MONTAGUE_KEY "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"
#define CAPULET_ID   "D60000229F"
#define MONTAGUE_ID  "417GAF25"

/* How a stream of ours begins; the prefix of dialback is declared there. */
#define STREAM_HEADER                                                                                                                                \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' "                                                                                 \
	"xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'>"

struct parsed {
	struct xfed_xml_reader *reader;
	struct xfed_arena arena;
	const struct xfed_xml_elem *xml;
	struct xfed_dialback_elem elem;
};

/* Reads one first-level element behind `header`. False where memory is short; all else that is
 * wrong ends the test. */
bool parse_behind(struct parsed *p, const char *header, struct xfed_span xml);
bool parse(struct parsed *p, const char *xml);
void parsed_free(struct parsed *p);

/* Appends an action as text, " | " between two. */
void note_action(char *text, size_t size, const struct xfed_dialback_action *a);

/* What failing allocations leave behind; arm(0) fails none. */
void failing_arm(size_t nth);
bool failing_hit(void);
size_t failing_live(void);
void failing_install(void);
void failing_remove(void);

#endif
