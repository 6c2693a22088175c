/* Doubly linked lists (utlist) without its assertions: our own checks are XFED_REQUIRE, and protocol code does not call abort(). */
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
