from sandbox.cluster.controllers.template_hash import equal_templates, fnv32a, safe_encode, template_hash

TEMPLATE = {
    "metadata": {"creationTimestamp": None, "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "nginx:1.25", "resources": {}}]},
}


def with_image(image):
    container = TEMPLATE["spec"]["containers"][0] | {"image": image}
    return TEMPLATE | {"spec": {"containers": [container]}}


def test_fnv32a_has_the_published_values():
    assert fnv32a(b"") == 0x811C9DC5
    assert fnv32a(b"a") == 0xE40C292C
    assert fnv32a(b"foobar") == 0xBF9CF968


def test_digits_are_encoded_as_kubernetes_encodes_them():
    assert safe_encode("0123456789") == "456789bcdf"


def test_a_hash_has_only_the_letters_that_people_know_from_pod_names():
    assert set(template_hash(TEMPLATE)) <= set("456789bcdf")
    assert 1 <= len(template_hash(TEMPLATE)) <= 10


def test_equal_templates_have_equal_hashes():
    hashed = TEMPLATE | {"metadata": {"labels": {"app": "web", "pod-template-hash": "x"}}}
    assert template_hash(hashed) == template_hash(TEMPLATE)
    assert equal_templates(hashed, TEMPLATE)


def test_another_image_gives_another_hash():
    assert template_hash(with_image("nginx:1.26")) != template_hash(TEMPLATE)
    assert not equal_templates(with_image("nginx:1.26"), TEMPLATE)


def test_each_collision_gives_another_hash():
    hashes = {template_hash(TEMPLATE, collisions) for collisions in (None, 0, 1, 2, 300)}
    assert len(hashes) == 5
