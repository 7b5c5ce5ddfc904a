# JSON text: read strictly by RFC 8259, written byte for byte as Go's encoding/json.
#
# The standard library's module accepts NaN and lone surrogates, escapes characters that the reference writes raw, and
# imports `re`.


class JsonError(ValueError):
    """A text is not the JSON that the caller requires.

    Attributes:
        problem: what is wrong, without content of the text.
        offset: the position of the problem in bytes, from 0.
    """

    def __init__(self, problem, offset):
        super().__init__(problem, offset)
        self.problem = problem
        self.offset = offset

    def __str__(self):
        return f"{self.problem} at byte {self.offset}"


cdef _json_fail(json_reader *r):
    raise JsonError(r.error.decode("ascii"), r.error_at - r.begin)


cdef _json_open(json_reader *r, bytes data):
    json_open(r, PyBytes_AsString(data), len(data))
    if json_peek(r) < 0:
        json_fail(r, b"no JSON text", r.begin)
        _json_fail(r)


cdef str _json_text(json_string *string):
    if not string.escaped:
        return PyUnicode_DecodeUTF8(string.data, string.length, NULL)
    cdef char *decoded = <char *>PyMem_Malloc(string.length)
    if decoded is NULL:
        raise MemoryError
    try:
        return PyUnicode_DecodeUTF8(decoded, json_decode(string, decoded), NULL)
    finally:
        PyMem_Free(decoded)


cdef _json_number(json_reader *r):
    cdef const char *start = r.p
    cdef int is_integer
    if not json_scan_number(r, &is_integer):
        _json_fail(r)
    token = start[:r.p - start]
    if not is_integer:
        return float(token)
    try:
        return int(token)
    except ValueError:
        # The interpreter limits the number of digits, because the conversion takes quadratic time.
        json_fail(r, b"integer too long", start)
        _json_fail(r)


cdef _json_word(json_reader *r, const char *word, size_t length, value):
    if not json_scan_word(r, word, length):
        _json_fail(r)
    return value


cdef _json_value(json_reader *r, int depth):
    cdef int c = json_peek(r)
    cdef json_string string
    if c == b'"':
        if not json_scan_string(r, &string):
            _json_fail(r)
        return _json_text(&string)
    if c == b"{" or c == b"[":
        if depth >= JSON_DEPTH:
            json_fail(r, b"nested too deeply", r.p)
            _json_fail(r)
        r.p += 1
        return _json_object(r, depth + 1) if c == b"{" else _json_array(r, depth + 1)
    if c == b"t":
        return _json_word(r, b"true", 4, True)
    if c == b"f":
        return _json_word(r, b"false", 5, False)
    if c == b"-" or b"0" <= c <= b"9":
        return _json_number(r)
    return _json_word(r, b"null", 4, None)


cdef dict _json_object(json_reader *r, int depth):
    cdef dict found = {}
    cdef json_string name
    cdef int first = 1
    while json_next_member(r, &first, &name):
        key = _json_text(&name)
        found[key] = _json_value(r, depth)
    if r.error is not NULL:
        _json_fail(r)
    return found


cdef list _json_array(json_reader *r, int depth):
    cdef list found = []
    cdef int first = 1
    while json_next_element(r, &first):
        found.append(_json_value(r, depth))
    if r.error is not NULL:
        _json_fail(r)
    return found


def loads(bytes data not None):
    """Return the value of a JSON text in UTF-8: dict, list, str, int, float, bool or None.

    Of duplicate names the last one counts. Containers may be nested 64 deep.

    Raises:
        JsonError: it is not JSON.
    """
    cdef json_reader r
    _json_open(&r, data)
    value = _json_value(&r, 0)
    if not json_close(&r):
        _json_fail(&r)
    return value


def members(bytes data not None):
    """Return the members of a JSON object in their order, each with the bytes of its value; None for `null`.

    All duplicate names are returned. The values are checked, and returned unchanged without the blanks around them.

    Raises:
        JsonError: it is not JSON, or neither an object nor `null`.
    """
    cdef json_reader r
    cdef json_string name
    cdef const char *start
    cdef int first = 1
    cdef list found = None
    _json_open(&r, data)
    if r.p[0] == b"{":
        found = []
        r.p += 1
        while json_next_member(&r, &first, &name):
            start = r.p
            if not json_skip(&r, 1):
                _json_fail(&r)
            found.append((_json_text(&name), start[:r.p - start]))
        if r.error is not NULL:
            _json_fail(&r)
    elif not json_scan_word(&r, b"null", 4):
        json_fail(&r, b"not a JSON object", r.p)
        _json_fail(&r)
    if not json_close(&r):
        _json_fail(&r)
    return found


cdef struct writer_t:
    char *data
    size_t length
    size_t capacity
    bint html_safe
    bint short_escapes
    Py_ssize_t indent


cdef char *_reserved(writer_t *w, size_t size) except NULL:
    cdef size_t capacity = w.capacity
    cdef char *data
    if capacity - w.length < size:
        capacity = max(2 * capacity, w.length + size)
        data = <char *>PyMem_Realloc(w.data, capacity)
        if data is NULL:
            raise MemoryError
        w.data = data
        w.capacity = capacity
    return w.data + w.length


cdef int _put(writer_t *w, const char *text, size_t size) except -1:
    memcpy(_reserved(w, size), text, size)
    w.length += size
    return 0


cdef int _put_escape(writer_t *w, unsigned int unit) except -1:
    cdef char *out = _reserved(w, 6)
    out[0] = b"\\"
    if unit == b'"' or unit == b"\\":
        out[1] = <char>unit
    elif unit == b"\n":
        out[1] = b"n"
    elif unit == b"\r":
        out[1] = b"r"
    elif unit == b"\t":
        out[1] = b"t"
    elif w.short_escapes and unit == 8:
        out[1] = b"b"
    elif w.short_escapes and unit == 12:
        out[1] = b"f"
    else:
        out[1] = b"u"
        out[2] = HEX[unit >> 12]
        out[3] = HEX[unit >> 8 & 15]
        out[4] = HEX[unit >> 4 & 15]
        out[5] = HEX[unit & 15]
        w.length += 4
    w.length += 2
    return 0


cdef int _put_text(writer_t *w, text) except -1:
    cdef Py_ssize_t length
    cdef const unsigned char *p
    cdef const unsigned char *end
    cdef const unsigned char *plain
    try:
        p = <const unsigned char *>PyUnicode_AsUTF8AndSize(text, &length)
    except UnicodeEncodeError:
        # The original error would contain the complete text.
        raise ValueError("a lone surrogate cannot be written as JSON") from None
    end = p + length
    plain = p
    _put(w, b'"', 1)
    while p != end:
        if p[0] < 0x20 or p[0] == b'"' or p[0] == b"\\" or (
                w.html_safe and (p[0] == b"<" or p[0] == b">" or p[0] == b"&")):
            _put(w, <const char *>plain, p - plain)
            _put_escape(w, p[0])
            plain = p + 1
        elif p[0] == 0xE2 and p[1] == 0x80 and (p[2] == 0xA8 or p[2] == 0xA9):
            # U+2028 and U+2029 end a line in JavaScript before ES2019.
            _put(w, <const char *>plain, p - plain)
            _put_escape(w, <unsigned int>0x2000 | (p[2] & 0x3F))
            p += 2
            plain = p + 1
        p += 1
    _put(w, <const char *>plain, p - plain)
    return _put(w, b'"', 1)


cdef int _put_ascii(writer_t *w, str text) except -1:
    cdef Py_ssize_t length
    cdef const char *data = PyUnicode_AsUTF8AndSize(text, &length)
    return _put(w, data, length)


cdef int _put_line(writer_t *w, int depth) except -1:
    cdef size_t size = depth * w.indent
    if w.indent:
        _put(w, b"\n", 1)
        memset(_reserved(w, size), b" ", size)
        w.length += size
    return 0


cdef int _put_value(writer_t *w, value, int depth) except -1:
    if isinstance(value, str):
        return _put_text(w, value)
    if value is None:
        return _put(w, b"null", 4)
    if value is True:
        return _put(w, b"true", 4)
    if value is False:
        return _put(w, b"false", 5)
    if isinstance(value, int):
        return _put_ascii(w, int.__repr__(value))
    if isinstance(value, float):
        # The difference is NaN for infinities and NaN, else 0.
        if value - value != 0:
            raise ValueError("infinity and NaN cannot be written as JSON")
        return _put_ascii(w, float.__repr__(value))
    if isinstance(value, bytes):
        return _put(w, PyBytes_AsString(value), len(<bytes>value))
    if isinstance(value, (dict, list, tuple)):
        if depth >= JSON_DEPTH:
            raise ValueError("nested too deeply for JSON")
        return _put_object(w, value, depth + 1) if isinstance(value, dict) else _put_array(w, value, depth + 1)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


cdef int _put_object(writer_t *w, value, int depth) except -1:
    cdef bint first = True
    _put(w, b"{", 1)
    for name, item in value.items():
        if not isinstance(name, str):
            raise TypeError(f"the name of a JSON member is a str, not {type(name).__name__}")
        if not first:
            _put(w, b",", 1)
        first = False
        _put_line(w, depth)
        _put_text(w, name)
        _put(w, b": ", 2 if w.indent else 1)
        _put_value(w, item, depth)
    if not first:
        _put_line(w, depth - 1)
    return _put(w, b"}", 1)


cdef int _put_array(writer_t *w, value, int depth) except -1:
    cdef bint first = True
    _put(w, b"[", 1)
    for item in value:
        if not first:
            _put(w, b",", 1)
        first = False
        _put_line(w, depth)
        _put_value(w, item, depth)
    if not first:
        _put_line(w, depth - 1)
    return _put(w, b"]", 1)


def dumps(value, *, bint html_safe=True, Py_ssize_t indent=0, bint short_escapes=False):
    """Return the JSON text of a value in UTF-8, as Go's encoding/json writes it.

    Args:
        value: dict with str keys (written in its order), list, tuple, str, int, float, bool, None; or bytes, which are
            JSON already and are written unchanged and unchecked.
        html_safe: whether `<`, `>` and `&` are escaped, as Go does by default.
        indent: blanks for each level of nesting, with line breaks as Python's json writes them; 0 for compact text.
        short_escapes: whether backspace and form feed are `\\b` and `\\f`, as Go writes them since 1.22.

    Raises:
        TypeError: a value or a key is of another type.
        ValueError: a float is not finite, a str holds a lone surrogate, more than 64 containers are nested, or the
            indent is negative.
    """
    cdef writer_t w
    if indent < 0:
        raise ValueError(f"invalid indent {indent}: must not be negative")
    memset(&w, 0, sizeof(w))
    w.html_safe = html_safe
    w.short_escapes = short_escapes
    w.indent = indent
    try:
        _put_value(&w, value, 0)
        return PyBytes_FromStringAndSize(w.data, w.length)
    finally:
        PyMem_Free(w.data)
