export default async function Product({ params }: { params: Promise<{ slug: string }> }) {
  return <h1 style={{ fontSize: 60 }}>The product {(await params).slug}, in large letters</h1>;
}
