/* The extension module media.fast._fast: see docs/media.md, "The fast path". */
#include "state.h"

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "media.fast._fast", "The packet path of the media process in C.", -1, NULL,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__fast(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    if (add_types(module) < 0 || add_path(module) < 0 || PyModule_AddStringConstant(module, "SOURCES", SIPGW_SOURCES) < 0 ||
        PyModule_AddIntConstant(module, "SOUND_MAX", SOUND_MAX) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
