/* Doubly linked lists (utlist) without its assertions: what must hold in us is XFED_REQUIRE, and protocol code calls no abort of libc. */
#ifndef XFED_UTIL_LIST_H
#define XFED_UTIL_LIST_H

#ifdef NDEBUG
#include <utlist.h>
#else
#define NDEBUG
#include <utlist.h>
#undef NDEBUG
#endif

#endif
